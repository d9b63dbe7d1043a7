"""A fold: which handler evolves a projection for which kind of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from events.catalog import Event
from events.envelope import Recorded

S = TypeVar("S")
E = TypeVar("E", bound=Event)
Handler = Callable[[S, Recorded, E], S]


class Fold(Generic[S]):
    """The handlers of one projection, by kind of event; a kind without a handler changes nothing."""

    def __init__(self) -> None:
        self.handlers: dict[type[Event], Callable[[S, Recorded, Any], S]] = {}

    def on(self, *kinds: type[E]) -> Callable[[Handler[S, E]], Handler[S, E]]:
        """Register the handler for these kinds of events."""

        def register(handler: Handler[S, E]) -> Handler[S, E]:
            for kind in kinds:
                self.handlers[kind] = handler
            return handler

        return register

"""Following a log as it grows: the events after a position, each with what was known before and after it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from events.envelope import Position, Recorded
from projections.history import History
from projections.state import State, evolve

POLL_SECONDS = 0.05


def pause(seconds: float = POLL_SECONDS) -> None:
    """Wait a little before looking again."""
    time.sleep(seconds)


def forever(look: Callable[[], None], seconds: float = POLL_SECONDS) -> None:
    """Look again and again, until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            pause(seconds)
            look()


class Follower:
    """`state` is what is known so far."""

    def __init__(self, history: History, after: Position | None = None) -> None:
        self.history = history
        self.state: State = history.at(after)

    def news(self) -> Iterator[tuple[State, Recorded, State]]:
        """Every event that was recorded since the last call."""
        for recorded in self.history.reader.read(after=self.state.seq):
            before, self.state = self.state, evolve(self.state, recorded)
            yield before, recorded, self.state

"""What people and programs are shown of the history: events as they were recorded, decisions with their outcome."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

import msgspec

from events.catalog import Decision, LogOpened, Rejected, Value
from events.envelope import Micros, Position, Recorded
from projections import story
from projections.moments import iso


class StoredEvent(Protocol):
    """An event with the columns of its row in the log."""

    @property
    def seq(self) -> Position: ...
    @property
    def id(self) -> bytes: ...
    @property
    def at(self) -> Micros: ...
    @property
    def kind(self) -> str: ...
    @property
    def stream(self) -> str: ...
    @property
    def cause(self) -> Position | None: ...
    @property
    def correlation(self) -> Position: ...
    @property
    def actor(self) -> str | None: ...
    @property
    def data(self) -> str: ...


class EventView(msgspec.Struct, frozen=True):
    """One event; `data` is what was recorded, with its `kind`."""

    seq: Position
    id: str
    at: str
    kind: str
    stream: str
    cause: Position | None
    correlation: Position
    actor: str | None
    data: msgspec.Raw


class DecisionView(msgspec.Struct, frozen=True):
    """A decision; `outcome` is the position of the first observation that it caused, null where there is none."""

    id: Position
    at: str
    rule: str
    subject: str
    summary: str
    cause: Position | None
    outcome: Position | None
    values: dict[str, Value]
    rejected: list[Rejected]


class DecisionsView(msgspec.Struct, frozen=True):
    """Decisions in the order in which they were taken."""

    decisions: list[DecisionView]


def event(stored: StoredEvent) -> EventView:
    """One event as it was recorded."""
    return EventView(
        stored.seq, str(UUID(bytes=stored.id)), iso(stored.at), stored.kind, stored.stream, stored.cause,
        stored.correlation, stored.actor, _data(stored),
    )  # fmt: skip


def _data(stored: StoredEvent) -> msgspec.Raw:
    """What was recorded, without the whole state that a new file begins with: that is what `at` shows."""
    if stored.kind != LogOpened.kind():
        return msgspec.Raw(stored.data.encode())
    opened = msgspec.json.decode(stored.data)
    return msgspec.Raw(msgspec.json.encode({name: value for name, value in opened.items() if name != "state"}))


def decision(recorded: Recorded, outcome: Position | None) -> DecisionView:
    """One decision with its outcome."""
    event = recorded.event
    assert isinstance(event, Decision)
    return DecisionView(
        id=recorded.seq, at=iso(recorded.at), rule=event.rule, subject=story.subject(event),
        summary=story.sentence(event), cause=recorded.cause, outcome=outcome, values=event.values,
        rejected=list(event.rejected),
    )  # fmt: skip


def decisions(found: Iterable[tuple[Recorded, Position | None]]) -> DecisionsView:
    """Decisions, each with the position of its outcome."""
    return DecisionsView([decision(recorded, outcome) for recorded, outcome in found])

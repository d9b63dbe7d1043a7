"""The envelope: what surrounds an event before and after it has its place in the log."""

from __future__ import annotations

import msgspec

from events.catalog import Event

Position = int
"""The gapless global number of an event, 1 for the first one: what people type and what SSE resumes from."""

Micros = int
"""A moment in microseconds since 1970 UTC."""


class Draft(msgspec.Struct, frozen=True):
    """An event that is not recorded yet, with the position of the event that caused it."""

    event: Event
    cause: Position | None = None
    actor: str | None = None
    seen: Micros | None = None


class Recorded(msgspec.Struct, frozen=True):
    """An event with its place in the log; `basis` is the head that a decision had seen."""

    seq: Position
    at: Micros
    event: Event
    cause: Position | None = None
    basis: Position | None = None
    actor: str | None = None
    seen: Micros | None = None

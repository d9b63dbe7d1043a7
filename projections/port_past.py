"""The past of one port: what opened, closed, held and promised it, and why each time."""

from __future__ import annotations

import msgspec

from events.catalog import Decision, PortClosed, PortOpened, StartDecided, service_of
from events.envelope import Position, Recorded
from events.reader import Reader
from projections import rules, story
from projections.moments import iso

SHOWN = 50
STARTS_LOOKED_AT = 20


class PortMoment(msgspec.Struct, frozen=True):
    """Something that happened to a port: `why` in words, `because` the event it goes back to, null for a stranger."""

    seq: Position
    at: str
    kind: str
    summary: str
    why: str
    because: Position | None


def past(reader: Reader, port: int, until: Position, limit: int = SHOWN) -> list[PortMoment]:
    """What happened to a port up to a position, the newest first."""
    rows = reader.rows(until=until, streams=[f"port/{port}"], newest_first=True, limit=limit)
    return [_moment(reader, port, row.recorded) for row in rows]


def _moment(reader: Reader, port: int, it: Recorded) -> PortMoment:
    why, because = _why(reader, port, it)
    return PortMoment(it.seq, iso(it.at), it.event.kind(), story.sentence(it.event), why, because)


def _why(reader: Reader, port: int, it: Recorded) -> tuple[str, Position | None]:
    if isinstance(it.event, Decision):
        quoted = it.event.values.get("why")
        return (f"{quoted}" if quoted else rules.rule_in_words(it.event.rule)), it.cause
    if isinstance(it.event, PortOpened):
        return _opened(reader, port, it.event, it.seq)
    if isinstance(it.event, PortClosed):
        return _closed(reader, port, it)
    cause = reader.get(it.cause) if it.cause else None
    return (story.sentence(cause.recorded.event), cause.seq) if cause else ("", None)


def _opened(reader: Reader, port: int, event: PortOpened, seq: Position) -> tuple[str, Position | None]:
    if not event.instance:
        return "foreign: somebody else's program opened it", None
    starts = reader.rows(
        until=seq, kinds=[StartDecided.kind()], streams=[f"service/{service_of(event.instance)}"], newest_first=True,
        limit=STARTS_LOOKED_AT,
    )  # fmt: skip
    for row in starts:
        start = row.recorded.event
        if isinstance(start, StartDecided) and start.instance == event.instance:
            own = "its port" if port in start.ports.values() else "not a port that it was given"
            return f"{story.sentence(start)} ({own})", row.seq
    return f"{event.instance} opened it", None


def _closed(reader: Reader, port: int, it: Recorded) -> tuple[str, Position | None]:
    """By whom, as far as its opening told."""
    opened = reader.rows(
        until=it.seq, kinds=[PortOpened.kind()], streams=[f"port/{port}"], newest_first=True, limit=STARTS_LOOKED_AT
    )  # fmt: skip
    for row in opened:
        event = row.recorded.event
        if isinstance(event, PortOpened) and isinstance(it.event, PortClosed) and event.address == it.event.address:
            who = event.instance or ", ".join(map(str, event.owners)) or "somebody that could not be seen"
            return f"closed by {who}", row.seq
    return "", None

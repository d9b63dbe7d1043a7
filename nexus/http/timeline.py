"""Where in the history how much happened: positions at evenly spaced moments, whatever the length of the log."""

from __future__ import annotations

from typing import Annotated

import msgspec

from events.envelope import Micros, Position
from nexus.http.operation import Asked, Nothing
from nexus.http.queries import Known, When, position
from projections.moments import iso

BINS_DEFAULT, BINS_MAX = 240, 600
SECONDS_MAX = 10 * 366 * 86_400


class TimelineQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which stretch: the `seconds` up to a moment, by default the whole history up to now."""

    seconds: Annotated[float, msgspec.Meta(gt=0, le=SECONDS_MAX, description="How long a stretch.")] | None = None
    until: When | None = None
    bins: Annotated[int, msgspec.Meta(ge=1, le=BINS_MAX, description="In how many equal parts.")] = BINS_DEFAULT


class Timeline(msgspec.Struct, frozen=True):
    """`positions` has one more than bins: bin N holds the events after positions[N], up to positions[N + 1].

    `began` is when the history begins; `since` and `until` bound the stretch.
    """

    seq: Position
    at: str
    began: str
    since: str
    until: str
    positions: list[Position]


def timeline(known: Known, asked: Asked[Nothing, TimelineQuery]) -> Timeline:
    """The positions at the bounds of equal parts of a stretch; positions have no gaps, so counting is subtracting."""
    query, reader = asked.query, known.reader
    first = next(reader.rows(limit=1), None)
    began = first.at if first else known.now
    until = _moment(known, position(reader, query.until, "until")) if query.until is not None else known.now
    since = max(0, until - int(query.seconds * 1_000_000)) if query.seconds is not None else min(began, until)
    bounds = [since + (until - since) * number // query.bins for number in range(query.bins + 1)]
    found = [reader.seq_at(bound) if bound >= began else 0 for bound in bounds]
    return Timeline(known.state.seq, iso(known.now), iso(began), iso(since), iso(until), found)


def _moment(known: Known, seq: Position) -> Micros:
    stored = known.reader.get(seq)
    return stored.at if stored else known.now

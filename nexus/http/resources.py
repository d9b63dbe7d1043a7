"""What everything uses: the last minute from the state, seconds from the samples beside the log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from events import samples
from events.envelope import Micros
from nexus.http import queries
from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.http.queries import AtQuery, Known, OfService, When
from projections import resource_views
from projections.conditions import instances_of
from projections.moments import MomentError, parse

POINTS_DEFAULT, POINTS_MAX = 240, 2000
STRETCH = 3_600_000_000
OURSELVES = "nexus"


class SeriesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which stretch, and in how many points; by default the last hour."""

    since: When | None = None
    until: When | None = None
    points: Annotated[int, msgspec.Meta(ge=1, le=POINTS_MAX, description="How many points.")] = POINTS_DEFAULT


def resources(known: Known, asked: Asked[Nothing, AtQuery]) -> resource_views.ResourcesView:
    """What everything uses; the last second too, where no moment is asked for."""
    now = samples.latest(known.home, known.now) if asked.query.at is None else {}
    return resource_views.resources(known.state, now, OURSELVES)


def series(known: Known, asked: Asked[OfService, SeriesQuery]) -> resource_views.SeriesView:
    """What the instances of a service used over time; raises Problem 404."""
    service, query = asked.place.service, asked.query
    if not queries.is_shown(known.state, service):
        raise queries.no_such_service(known.state, service)
    until = known.now if query.until is None else moment(known, query.until, "until")
    since = until - STRETCH if query.since is None else moment(known, query.since, "since")
    if not since < until:
        raise Problem(404, "that stretch", "`since` before `until`", str(query.since)[:100], "Ask for a longer one.")
    names, problems = [it.name for it in instances_of(known.state, service)], list[str]()
    rows = samples.read(known.home, names, since, until, problems)
    found = resource_views.series(rows, since, until, query.points)
    return resource_views.series_view(known.state, service, found, (since, until), query.points, problems)


def moment(known: Known, text: str, key: str) -> Micros:
    """The moment that `text` names, which need not be that of an event; raises Problem 400 or 404."""
    try:
        found = parse(text, datetime.now().astimezone(), lambda naive: naive.astimezone())
    except MomentError as error:
        raise Problem(400, f"the query key {key!r}", error.expected, repr(text)[:100], "Mend it.") from error
    if found.seq is None:
        return max(0, found.at)
    stored = known.reader.get(found.seq)
    if stored is None:
        raise queries.no_such_event(found.seq, known.state.seq)
    return stored.at

"""Incidents over the web: stretches of the history with a name, marked and found again."""

from __future__ import annotations

from typing import Annotated

import msgspec

from events.catalog import Value
from events.envelope import Position
from nexus.http.commands import submit
from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.http.queries import AtQuery, Known, Seq
from nexus.http.security import Caller
from nexus.http.tail import Tail
from projections import incident_views
from projections.incident_views import IncidentsView

IncidentName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class IncidentWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mark: the events from `first` to `last`, both included."""

    name: IncidentName
    first: Seq
    last: Seq


class OfIncident(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An incident, by name."""

    name: IncidentName


class IncidentMarked(msgspec.Struct, frozen=True):
    """The incident that was marked or unmarked as event `seq`."""

    seq: Position
    name: str


def incidents(known: Known, _: Asked[Nothing, AtQuery]) -> IncidentsView:
    """Every incident that is marked, the latest mark first."""
    return incident_views.incidents(known.state, known.reader)


async def mark(tail: Tail, caller: Caller, key: str, asked: Asked[Nothing, Nothing]) -> IncidentMarked:
    """A name for a stretch of the history; a mark of the same name is replaced. Raises Problem 409 or 503."""
    wanted = asked.body
    assert isinstance(wanted, IncidentWanted)
    await tail.sync()
    if not wanted.first <= wanted.last <= tail.head:
        raise Problem(
            409, "the stretch to mark", f"events from 1 to {tail.head}, the first one first",
            f"{wanted.first} to {wanted.last}", "GET /api/events names them.",
        )  # fmt: skip
    arguments: dict[str, Value] = {"incident": wanted.name, "first": wanted.first, "last": wanted.last}
    return IncidentMarked(await submit(tail, caller, key, "mark", arguments=arguments), wanted.name)


async def unmark(tail: Tail, caller: Caller, key: str, asked: Asked[OfIncident, Nothing]) -> IncidentMarked:
    """A mark less; what happened stays. Raises Problem 404 or 503."""
    await tail.sync()
    name = asked.place.name
    if name not in tail.state.incidents.by_name:
        names = ", ".join(tail.state.incidents.by_name) or "none"
        raise Problem(
            404, f"the incident {name!r}", f"one of: {names}", "no such one", "GET /api/incidents lists them."
        )
    return IncidentMarked(await submit(tail, caller, key, "unmark", arguments={"incident": name}), name)

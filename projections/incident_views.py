"""What people and programs are shown of incidents."""

from __future__ import annotations

import msgspec

from events.envelope import Position
from events.reader import Reader
from projections.moments import iso
from projections.state import State


class IncidentView(msgspec.Struct, frozen=True):
    """A marked stretch: the events from `first` to `last` and their moments, and who marked it when."""

    name: str
    first: Position
    last: Position
    began_at: str
    ended_at: str
    marked_at: str
    marked_by: str


class IncidentsView(msgspec.Struct, frozen=True):
    """Every marked incident, the latest mark first."""

    seq: Position
    at: str
    incidents: list[IncidentView]


def incidents(state: State, reader: Reader) -> IncidentsView:
    """Every incident that was marked up to a moment, with the moments at which it began and ended."""

    def moment(seq: Position) -> str:
        stored = reader.get(seq)
        return iso(stored.at) if stored else ""

    found = [
        IncidentView(it.name, it.first, it.last, moment(it.first), moment(it.last), iso(it.marked_at), it.actor)
        for it in reversed(state.incidents.by_name.values())
    ]
    return IncidentsView(state.seq, iso(state.at), found)

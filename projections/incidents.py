"""Incidents: stretches of the history that somebody marked and named, to find them again and to show them to others."""

from __future__ import annotations

import msgspec

from events.catalog import CommandReceived
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold

KEPT = 200
"""So many are kept; marking one more lets go of the oldest mark. The history itself keeps every mark."""


class Incident(msgspec.Struct, frozen=True, omit_defaults=True):
    """The events from `first` to `last`, both included, as marked at `marked_at` by `actor`."""

    name: str
    first: Position
    last: Position
    marked_at: Micros
    actor: str = ""


class Incidents(msgspec.Struct, frozen=True):
    """Every incident by name, in the order of being marked."""

    by_name: dict[str, Incident] = {}


fold: Fold[Incidents] = Fold()


@fold.on(CommandReceived)
def _asked(incidents: Incidents, it: Recorded, event: CommandReceived) -> Incidents:
    if event.verb not in ("mark", "unmark"):
        return incidents
    name = str(event.arguments["incident"])
    others = {known: one for known, one in incidents.by_name.items() if known != name}
    if event.verb == "unmark":
        return Incidents(others)
    first, last = int(event.arguments["first"] or 0), int(event.arguments["last"] or 0)
    kept = list(others.items())[-(KEPT - 1) :]
    return Incidents(dict(kept) | {name: Incident(name, first, last, it.at, it.actor or "")})

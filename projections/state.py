"""Everything that is known: all projections as one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from events.catalog import Event, LogOpened
from events.envelope import Micros, Position, Recorded
from projections import (
    alerts,
    deadlines,
    decisions,
    dependencies,
    endpoints,
    health,
    incidents,
    leases,
    patterns,
    personal,
    ports,
    reservations,
    resources,
    services,
    supervisor,
    traffic,
    wishes,
)
from projections.fold import Fold


class State(msgspec.Struct, frozen=True):
    """What is known at position `seq`, a moment `at` (µs UTC)."""

    seq: Position = 0
    at: Micros = 0
    supervisor: supervisor.Supervisor = supervisor.Supervisor()
    services: services.Services = services.Services()
    health: health.Healths = health.Healths()
    ports: ports.Ports = ports.Ports()
    leases: leases.Leases = leases.Leases()
    personal: personal.Personal = personal.Personal()
    incidents: incidents.Incidents = incidents.Incidents()
    dependencies: dependencies.Dependencies = dependencies.Dependencies()
    deadlines: deadlines.Deadlines = deadlines.Deadlines()
    decisions: decisions.Decisions = decisions.Decisions()
    alerts: alerts.Alerts = alerts.Alerts()
    traffic: traffic.Traffic = traffic.Traffic()
    resources: resources.Resources = resources.Resources()
    endpoints: endpoints.Endpoints = endpoints.Endpoints()
    patterns: patterns.Patterns = patterns.Patterns()
    reservations: reservations.Reservations = reservations.Reservations()


FOLDS: dict[str, Fold[Any]] = {
    "supervisor": supervisor.fold,
    "services": wishes.fold,
    "health": health.fold,
    "ports": ports.fold,
    "leases": leases.fold,
    "personal": personal.fold,
    "incidents": incidents.fold,
    "dependencies": dependencies.fold,
    "deadlines": deadlines.fold,
    "decisions": decisions.fold,
    "alerts": alerts.fold,
    "traffic": traffic.fold,
    "resources": resources.fold,
    "endpoints": endpoints.fold,
    "patterns": patterns.fold,
    "reservations": reservations.fold,
}

Handlers = tuple[tuple[str, Callable[[Any, Recorded, Any], Any]], ...]


def _by_kind() -> dict[type[Event], Handlers]:
    kinds = {kind for fold in FOLDS.values() for kind in fold.handlers}
    return {
        kind: tuple((name, fold.handlers[kind]) for name, fold in FOLDS.items() if kind in fold.handlers)
        for kind in kinds
    }


HANDLERS = _by_kind()


def evolve(state: State, recorded: Recorded) -> State:
    """What is known once `recorded` has happened."""
    event = recorded.event
    if isinstance(event, LogOpened):
        return _opened(state, recorded, event)
    changes = {name: handle(getattr(state, name), recorded, event) for name, handle in HANDLERS.get(type(event), ())}
    return msgspec.structs.replace(state, seq=recorded.seq, at=recorded.at, **changes)


def evolve_all(state: State, history: Iterable[Recorded]) -> State:
    """What is known once all of `history` has happened."""
    for recorded in history:
        state = evolve(state, recorded)
    return state


def _opened(state: State, recorded: Recorded, event: LogOpened) -> State:
    """A new file carries the whole state, so that whoever starts here knows what came before."""
    if bytes(event.state) != b"null":
        state = decode(bytes(event.state))
    return msgspec.structs.replace(state, seq=recorded.seq, at=recorded.at)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(State | None)


def encode(state: State) -> bytes:
    """The state as JSON, for snapshots and for the first event of a log file."""
    return _encoder.encode(state)


def decode(data: bytes) -> State:
    """The state that `encode` wrote; raises msgspec.ValidationError for anything else."""
    return _decoder.decode(data) or State()

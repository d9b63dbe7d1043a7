"""Leases: which port is held for whom, and which ports strangers had when we asked for them."""

from __future__ import annotations

from typing import Literal

import msgspec

from events.catalog import (
    ConfigurationLoaded,
    PortChosen,
    PortHeld,
    PortOwner,
    PortRefused,
    PortReleased,
    PortReserved,
    ReservationEnded,
    RunAbandoned,
    RunEvent,
    RunExited,
    RunRefused,
    StartDecided,
    SupervisorStarted,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold

replace = msgspec.structs.replace
LeaseState = Literal["chosen", "held", "used", "idle", "refused", "released"]
REFUSAL_KEPT_SECONDS = 600
WEEK = 7 * 86_400 * 1_000_000
CONFLICTS_KEPT = 5


class Lease(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port for `holder`: held by Nexus itself, used by a run, or idle between two runs."""

    name: str
    port: int
    holder: str
    state: LeaseState = "chosen"
    host: str = "127.0.0.1"
    protocol: str = "tcp"
    since: Micros = 0
    changed: Position = 0
    run: Position = 0
    """The run that uses it, or was the last to."""

    @property
    def ready(self) -> bool:
        """Whether a run may be started on it."""
        return self.state in ("held", "idle")


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port that somebody else had."""

    port: int
    reason: str
    at: Micros
    owner: PortOwner | None = None


class PastUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The lease that last used a port, and when."""

    lease: str
    at: Micros


class Leases(msgspec.Struct, frozen=True):
    """Leases by name (`web.1/main`), the recent refusals by port, and the fixed ports with the lease that wants each.

    `used` says by port who used it last, `conflicts` when strangers had it; both remember a week. `declared_by` is the
    event that said what is asked for.
    """

    by_name: dict[str, Lease] = {}
    refusals: dict[int, Refusal] = {}
    fixed: dict[int, str] = {}
    used: dict[int, PastUse] = {}
    conflicts: dict[int, tuple[Micros, ...]] = {}
    declared_by: Position = 0

    def taken(self) -> dict[int, str]:
        """Every port that is promised to somebody, with the lease's name."""
        return {lease.port: lease.name for lease in self.by_name.values() if lease.state not in ("refused", "released")}


fold: Fold[Leases] = Fold()


def lease_name(instance: str, port: str) -> str:
    """The lease of an instance's port: `web.1/main`."""
    return f"{instance}/{port}"


def _moved(leases: Leases, it: Recorded, name: str, port: int, state: LeaseState, run: Position = 0) -> Leases:
    lease = leases.by_name.get(name)
    if lease is None or lease.port != port or lease.state == state:
        return leases
    lease = replace(lease, state=state, since=it.at, changed=it.seq, run=run or lease.run)
    return replace(leases, by_name={**leases.by_name, name: lease})


@fold.on(ConfigurationLoaded)
def _loaded(leases: Leases, it: Recorded, event: ConfigurationLoaded) -> Leases:
    fixed = {
        request.fixed: lease_name(f"{service.name}.1", request.name)
        for service in event.services.values()
        for request in service.ports
        if request.fixed is not None
    }
    return replace(leases, fixed=fixed, declared_by=it.seq)


@fold.on(PortChosen)
def _chosen(leases: Leases, it: Recorded, event: PortChosen) -> Leases:
    lease = Lease(event.lease, event.port, event.instance, "chosen", event.host, event.protocol, it.at, it.seq)
    return replace(leases, by_name={**leases.by_name, event.lease: lease})


@fold.on(PortReserved)
def _reserved(leases: Leases, it: Recorded, event: PortReserved) -> Leases:
    """A service's lease that lay idle is held again, perhaps on another port; a program has none here."""
    known = leases.by_name.get(event.lease)
    if known is None:
        return leases
    lease = replace(known, port=event.port, state="chosen", since=it.at, changed=it.seq)
    return replace(leases, by_name={**leases.by_name, event.lease: lease})


@fold.on(ReservationEnded)
def _no_longer_reserved(leases: Leases, it: Recorded, event: ReservationEnded) -> Leases:
    lease = leases.by_name.get(event.lease)
    return _moved(leases, it, event.lease, event.port, "idle") if lease and lease.state == "held" else leases


@fold.on(PortHeld)
def _held(leases: Leases, it: Recorded, event: PortHeld) -> Leases:
    return _moved(leases, it, event.lease, event.port, "held")


@fold.on(PortRefused)
def _refused(leases: Leases, it: Recorded, event: PortRefused) -> Leases:
    leases = _moved(leases, it, event.lease, event.port, "refused")
    return _strange(leases, it, Refusal(event.port, event.reason, it.at, event.owner))


def _strange(leases: Leases, it: Recorded, refusal: Refusal) -> Leases:
    oldest = it.at - REFUSAL_KEPT_SECONDS * 1_000_000
    kept = {port: known for port, known in leases.refusals.items() if known.at >= oldest}
    return _conflict(replace(leases, refusals={**kept, refusal.port: refusal}), it, refusal.port)


def _conflict(leases: Leases, it: Recorded, port: int) -> Leases:
    recent = {known: at for known, at in leases.conflicts.items() if at[-1] > it.at - WEEK}
    return replace(leases, conflicts={**recent, port: (*recent.get(port, ()), it.at)[-CONFLICTS_KEPT:]})


@fold.on(PortReleased)
def _released(leases: Leases, it: Recorded, event: PortReleased) -> Leases:
    return _moved(leases, it, event.lease, event.port, "released")


@fold.on(StartDecided)
def _used(leases: Leases, it: Recorded, event: StartDecided) -> Leases:
    for name, port in event.ports.items():
        leases = _moved(leases, it, lease_name(event.instance, name), port, "used", it.seq)
    if not event.ports:
        return leases
    recent = {port: use for port, use in leases.used.items() if use.at > it.at - WEEK}
    uses = {port: PastUse(lease_name(event.instance, name), it.at) for name, port in event.ports.items()}
    return replace(leases, used={**recent, **uses})


@fold.on(RunExited, RunAbandoned, RunRefused)
def _ended(leases: Leases, it: Recorded, event: RunEvent) -> Leases:
    stolen = event.port if isinstance(event, RunRefused) else None
    for lease in list(leases.by_name.values()):
        if lease.run == event.run and lease.state == "used":
            leases = _moved(leases, it, lease.name, lease.port, "refused" if lease.port == stolen else "idle")
    if isinstance(event, RunRefused) and event.port is not None:
        leases = _strange(leases, it, Refusal(event.port, event.error, it.at, event.owner))
    return leases


@fold.on(SupervisorStarted)
def _unheld(leases: Leases, it: Recorded, _: SupervisorStarted) -> Leases:
    for lease in list(leases.by_name.values()):
        if lease.state == "held":
            leases = _moved(leases, it, lease.name, lease.port, "idle")
    return leases

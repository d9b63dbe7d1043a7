"""Reservations: the ports that are held for starts that are expected."""

from __future__ import annotations

from typing import Literal

import msgspec

from events.catalog import (
    Event,
    PortHeld,
    PortOpened,
    PortRefused,
    PortReserved,
    ReservationEnded,
    StartDecided,
    SupervisorStarted,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold
from projections.leases import lease_name

replace = msgspec.structs.replace


class Reservation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port held for a pattern; `came` once what was expected uses it, `own` for the lease of a service of ours."""

    lease: str
    port: int
    pattern: str
    since: Micros
    until: Micros
    changed: Position
    protocol: Literal["tcp", "udp"] = "tcp"
    state: Literal["asked", "held", "refused"] = "asked"
    came: bool = False

    @property
    def own(self) -> bool:
        """Whether it is for a service of ours, which has a lease of its own."""
        return self.pattern.startswith("service/")


class Reservations(msgspec.Struct, frozen=True):
    """The reservations by the name of their lease."""

    by_lease: dict[str, Reservation] = {}

    def taken(self) -> dict[int, str]:
        """The ports that are held for other programs, with the lease's name."""
        return {it.port: it.lease for it in self.by_lease.values() if not it.own}


fold: Fold[Reservations] = Fold()


def _with(reservations: Reservations, reservation: Reservation) -> Reservations:
    return Reservations({**reservations.by_lease, reservation.lease: reservation})


@fold.on(PortReserved)
def _reserved(reservations: Reservations, it: Recorded, event: PortReserved) -> Reservations:
    reservation = Reservation(event.lease, event.port, event.pattern, it.at, event.until, it.seq, event.protocol)
    return _with(reservations, reservation)


@fold.on(PortHeld, PortRefused)
def _outcome(reservations: Reservations, it: Recorded, event: Event) -> Reservations:
    assert isinstance(event, PortHeld | PortRefused)
    known = reservations.by_lease.get(event.lease)
    if known is None or known.port != event.port:
        return reservations
    state: Literal["held", "refused"] = "held" if isinstance(event, PortHeld) else "refused"
    return _with(reservations, replace(known, state=state, changed=it.seq))


@fold.on(StartDecided)
def _used(reservations: Reservations, it: Recorded, event: StartDecided) -> Reservations:
    for name in event.ports:
        reservations = _came(reservations, it, lease_name(event.instance, name))
    return reservations


def _came(reservations: Reservations, it: Recorded, lease: str) -> Reservations:
    known = reservations.by_lease.get(lease)
    return _with(reservations, replace(known, came=True, changed=it.seq)) if known else reservations


@fold.on(PortOpened)
def _opened(reservations: Reservations, it: Recorded, event: PortOpened) -> Reservations:
    for known in reservations.by_lease.values():
        if known.port == event.port and not known.own:
            return _came(reservations, it, known.lease)
    return reservations


@fold.on(ReservationEnded)
def _ended(reservations: Reservations, _: Recorded, event: ReservationEnded) -> Reservations:
    return Reservations({lease: it for lease, it in reservations.by_lease.items() if lease != event.lease})


@fold.on(SupervisorStarted)
def _unheld(reservations: Reservations, _: Recorded, __: SupervisorStarted) -> Reservations:
    """The sockets that held the ports ended with the process that had them."""
    return Reservations()

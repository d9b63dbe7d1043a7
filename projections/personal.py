"""Leases of people and programs: a port promised by name, until its term ends or it lies unused too long."""

from __future__ import annotations

from typing import Literal

import msgspec

from events.catalog import (
    CommandReceived,
    DeadlineReached,
    Event,
    LeaseEnded,
    LeaseGranted,
    PortClosed,
    PortHeld,
    PortOpened,
    PortRefused,
    SupervisorStarted,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold

replace = msgspec.structs.replace
FREED_KEPT = 100
PREFIX = "lease:"
"""What the deadline keys of these leases begin with."""


class PersonalLease(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port for `holder`, preferably from `first` to `last`; `free_since` is when nobody had it open any more.

    One that was held by an earlier supervisor is `unheld` until it is held again; `port` is 0 until one is granted.
    """

    name: str
    holder: str
    state: Literal["wanted", "granted", "held", "unheld", "returned"] = "wanted"
    port: int = 0
    first: int = 0
    last: int = 0
    term_seconds: float | None = None
    expires_at: Micros | None = None
    free_since: Micros | None = None
    rebound: bool = False
    since: Micros = 0
    changed: Position = 0


class Personal(msgspec.Struct, frozen=True):
    """These leases by name, and the ports that earlier ones gave back, with the moment."""

    by_name: dict[str, PersonalLease] = {}
    freed: dict[int, Micros] = {}

    def taken(self) -> dict[int, str]:
        """Every port that is promised, with the lease's name."""
        return {lease.port: lease.name for lease in self.by_name.values() if lease.port}


fold: Fold[Personal] = Fold()


def _with(personal: Personal, lease: PersonalLease) -> Personal:
    return replace(personal, by_name={**personal.by_name, lease.name: lease})


@fold.on(CommandReceived)
def _asked(personal: Personal, it: Recorded, event: CommandReceived) -> Personal:
    name = str(event.arguments.get("lease", ""))
    known = personal.by_name.get(name)
    if event.verb == "release" and known:
        return _with(personal, replace(known, state="returned", changed=it.seq))
    if event.verb != "lease":
        return personal
    term = event.arguments.get("term_seconds")
    term_seconds = float(term) if isinstance(term, int | float) else None
    wanted = {
        "first": int(event.arguments.get("first") or 0),
        "last": int(event.arguments.get("last") or 0),
        "term_seconds": term_seconds,
        "expires_at": None if term_seconds is None else it.at + int(term_seconds * 1_000_000),
        "changed": it.seq,
    }
    lease = known or PersonalLease(name, it.actor or "", since=it.at)
    return _with(personal, replace(lease, **wanted))


@fold.on(LeaseGranted)
def _granted(personal: Personal, it: Recorded, event: LeaseGranted) -> Personal:
    lease = personal.by_name[event.lease]
    rebound = lease.state == "unheld"
    return _with(personal, replace(lease, state="granted", port=event.port, rebound=rebound, changed=it.seq))


@fold.on(PortHeld, PortRefused)
def _outcome(personal: Personal, it: Recorded, event: Event) -> Personal:
    assert isinstance(event, PortHeld | PortRefused)
    lease = personal.by_name.get(event.lease)
    if lease is None or lease.port != event.port or lease.state != "granted":
        return personal
    if isinstance(event, PortHeld):
        return _with(personal, replace(lease, state="held", free_since=it.at, changed=it.seq))
    if lease.rebound:  # its own program has it open, or a stranger does: the promise stands
        return _with(personal, replace(lease, state="held", free_since=None, changed=it.seq))
    return _with(personal, replace(lease, state="wanted", port=0, changed=it.seq))


@fold.on(PortOpened, PortClosed)
def _opened(personal: Personal, it: Recorded, event: Event) -> Personal:
    assert isinstance(event, PortOpened | PortClosed)
    for lease in personal.by_name.values():
        if lease.port == event.port:
            free_since = it.at if isinstance(event, PortClosed) else None
            return _with(personal, replace(lease, free_since=free_since, changed=it.seq))
    return personal


@fold.on(DeadlineReached)
def _due(personal: Personal, it: Recorded, event: DeadlineReached) -> Personal:
    lease = personal.by_name.get(event.key.removeprefix(PREFIX)) if event.key.startswith(PREFIX) else None
    return _with(personal, replace(lease, changed=it.seq)) if lease else personal


@fold.on(SupervisorStarted)
def _unheld(personal: Personal, it: Recorded, _: SupervisorStarted) -> Personal:
    """The sockets that held the ports ended with the process that had them."""
    by_name = {
        name: replace(lease, state="unheld", changed=it.seq) if lease.state == "held" else lease
        for name, lease in personal.by_name.items()
    }
    return replace(personal, by_name=by_name)


@fold.on(LeaseEnded)
def _ended(personal: Personal, it: Recorded, event: LeaseEnded) -> Personal:
    left = {name: lease for name, lease in personal.by_name.items() if name != event.lease}
    if not event.port:
        return replace(personal, by_name=left)
    freed = {port: at for port, at in personal.freed.items() if port != event.port} | {event.port: it.at}
    return Personal(left, dict(list(freed.items())[-FREED_KEPT:]))

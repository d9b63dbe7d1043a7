"""Ports: which are open, who has them since when, and by which decision those of our own runs got theirs."""

from __future__ import annotations

import msgspec

from events.catalog import (
    PortClosed,
    PortOpened,
    PortOwner,
    RunAbandoned,
    RunEvent,
    RunExited,
    RunRefused,
    StartDecided,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold


class PortUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port in the hands of a run; the run's name is the position of the decision that gave it the port."""

    port: int
    instance: str
    name: str
    run: Position
    since: Micros


class OpenPort(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port that is open at one address; `opened` is the event that saw it open."""

    port: int
    protocol: str
    address: str
    since: Micros
    opened: Position
    owners: tuple[PortOwner, ...] = ()
    instance: str = ""
    bound: bool = False

    @property
    def strangers(self) -> tuple[PortOwner, ...]:
        """Those of its owners that are not ours; one of whom nothing is known where nobody may be seen."""
        if not self.instance:
            return self.owners or (PortOwner(),)
        return tuple(owner for owner in self.owners if owner.service is None)

    @property
    def who(self) -> str:
        """Who has it, in words: strangers where there are some."""
        return ", ".join(str(owner) for owner in self.strangers) or self.instance


class Ports(msgspec.Struct, frozen=True):
    """The ports given to our own runs, by number, and every open port by its endpoint."""

    by_number: dict[int, PortUse] = {}
    open: dict[str, OpenPort] = {}

    def stranger(self, port: int) -> OpenPort | None:
        """An open port of that number that somebody else has, None where nobody is seen."""
        return next((it for it in self.open.values() if it.port == port and it.strangers), None)


def endpoint(protocol: str, address: str, port: int) -> str:
    """The name of an open port at one address: `tcp 127.0.0.1 8080`."""
    return f"{protocol} {address} {port}"


fold: Fold[Ports] = Fold()


@fold.on(StartDecided)
def _given(ports: Ports, it: Recorded, event: StartDecided) -> Ports:
    if not event.ports:
        return ports
    given = {port: PortUse(port, event.instance, name, it.seq, it.at) for name, port in event.ports.items()}
    return msgspec.structs.replace(ports, by_number={**ports.by_number, **given})


@fold.on(RunExited, RunRefused, RunAbandoned)
def _given_back(ports: Ports, _: Recorded, event: RunEvent) -> Ports:
    left = {port: use for port, use in ports.by_number.items() if use.run != event.run}
    return ports if len(left) == len(ports.by_number) else msgspec.structs.replace(ports, by_number=left)


@fold.on(PortOpened)
def _opened(ports: Ports, it: Recorded, event: PortOpened) -> Ports:
    key = endpoint(event.protocol, event.address, event.port)
    known = ports.open.get(key)
    since = known.since if known and known.bound == event.bound else it.at
    port = OpenPort(
        event.port, event.protocol, event.address, since, it.seq, event.owners, event.instance, event.bound
    )  # fmt: skip
    return msgspec.structs.replace(ports, open={**ports.open, key: port})


@fold.on(PortClosed)
def _closed(ports: Ports, _: Recorded, event: PortClosed) -> Ports:
    closed = endpoint(event.protocol, event.address, event.port)
    return msgspec.structs.replace(ports, open={key: port for key, port in ports.open.items() if key != closed})

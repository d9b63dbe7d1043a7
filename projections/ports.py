"""Ports: which run of which service has each port, since when and by which decision."""

from __future__ import annotations

import msgspec

from events.catalog import RunAbandoned, RunEvent, RunExited, RunRefused, StartDecided
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold


class PortUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port in the hands of a run; the run's name is the position of the decision that gave it the port."""

    port: int
    instance: str
    name: str
    run: Position
    since: Micros


class Ports(msgspec.Struct, frozen=True):
    """The ports in use by our own runs, by number."""

    by_number: dict[int, PortUse] = {}


fold: Fold[Ports] = Fold()


@fold.on(StartDecided)
def _given(ports: Ports, it: Recorded, event: StartDecided) -> Ports:
    if not event.ports:
        return ports
    given = {port: PortUse(port, event.instance, name, it.seq, it.at) for name, port in event.ports.items()}
    return Ports({**ports.by_number, **given})


@fold.on(RunExited, RunRefused, RunAbandoned)
def _given_back(ports: Ports, _: Recorded, event: RunEvent) -> Ports:
    left = {port: use for port, use in ports.by_number.items() if use.run != event.run}
    return ports if len(left) == len(ports.by_number) else Ports(left)

"""The past of one port, and why each time."""

from __future__ import annotations

from pathlib import Path

import msgspec

from events.catalog import (
    PortClosed,
    PortOpened,
    PortOwner,
    PortRequest,
)
from events.envelope import Recorded
from events.log import Log
from projections.history import History
from projections.port_past import PortMoment, past
from tests.given import World, asked, service


def told(home: Path, world: World, port: int) -> list[PortMoment]:
    """The past of a port in the history of that world."""
    with Log.open(home, now=lambda: world.history[0].at - 1, ballast_bytes=4096) as log:
        log.append([_after_opening(it) for it in world.history])
    history = History(home)
    return past(history.reader, port, world.history[-1].seq + 1)


def _after_opening(it: Recorded) -> Recorded:
    """One position later: the log begins with its own opening."""
    cause, basis = it.cause and it.cause + 1, it.basis and it.basis + 1
    return msgspec.structs.replace(it, seq=it.seq + 1, cause=cause, basis=basis)


def test_whose_port_it_was_and_why(tmp_path: Path) -> None:
    """The lease with its choice, the service with its start, the stranger as a stranger."""
    world = World(service("web", PortRequest()))
    world.when(asked("up"))
    port = world.state.leases.by_name["web.1/main"].port
    ours = PortOwner(pid=4711, command="web", service="web", instance="web.1")
    theirs = PortOwner(pid=9, command="nginx", user="root")
    world.when(PortOpened(port=port, address="127.0.0.1", owners=(ours,), instance="web.1"))
    world.when(PortOpened(port=port, address="::1", owners=(theirs,)))
    world.when(PortClosed(port=port, address="::1"))
    world.when(PortClosed(port=port, address="0.0.0.0"))
    nowhere, closed, foreign, opened, held = told(tmp_path, world, port)
    assert held.summary == f"port {port} is held for web.1/main"
    assert held.why == f"hold port {port} for web.1/main"
    assert opened.why == f"start web.1 on port {port} (its port)"
    assert opened.because is not None
    assert (foreign.why, foreign.because) == ("foreign: somebody else's program opened it", None)
    assert closed.why == "closed by nginx (pid 9, user root)"
    assert (nowhere.why, nowhere.because) == ("", None)


def test_a_port_beside_the_one_that_was_given(tmp_path: Path) -> None:
    """A service that listens where it was not told to, and one whose start is not in this history."""
    world = World(service("web", PortRequest()))
    world.when(asked("up"))
    world.when(PortOpened(port=9999, address="127.0.0.1", instance="web.1"))
    world.when(PortOpened(port=9999, address="::1", instance="old.1"))
    old, web = told(tmp_path, world, 9999)
    assert web.why.endswith("(not a port that it was given)")
    assert (old.why, old.because) == ("old.1 opened it", None)

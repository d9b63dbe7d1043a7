"""Which port is held for whom."""

from __future__ import annotations

from events.catalog import (
    CommandReceived,
    PortClosed,
    PortHeld,
    PortOpened,
    PortRequest,
    RunExited,
    SupervisorStarted,
)
from projections.leases import Lease
from tests.given import World, asked, service


def world_with_port() -> World:
    """A world in which a service uses its port."""
    world = World(service("web", PortRequest()))
    world.when(asked("up"))
    return world


def lease(world: World) -> Lease:
    """The service's lease."""
    return world.state.leases.by_name["web.1/main"]


def test_a_lease_outlives_its_run() -> None:
    """Used by the run, then idle and ready for the next; the run that used it last is remembered."""
    world = world_with_port()
    run = world.instance("web.1").run
    assert (lease(world).state, lease(world).run, lease(world).ready) == ("used", run, False)
    world.when(RunExited(instance="web.1", run=1))
    assert lease(world).state == "used"
    world.exits("web.1")
    assert (lease(world).state, lease(world).run, lease(world).ready) == ("idle", run, True)
    assert world.state.leases.taken() == {lease(world).port: "web.1/main"}


def test_a_port_is_held_no_longer_by_the_next_supervisor() -> None:
    """The socket that held it ended with its process: it is idle, and what a run uses stays used."""
    world = World(service("web", PortRequest("a"), PortRequest("b")))
    world.ports_held = False
    world.when(asked("up"))
    first = world.state.leases.by_name["web.1/a"]
    world.when(PortHeld(lease=first.name, port=first.port))
    world.when(SupervisorStarted(pid=2))
    assert {name: it.state for name, it in world.state.leases.by_name.items()} == {
        "web.1/a": "idle", "web.1/b": "chosen",
    }  # fmt: skip
    world = world_with_port()
    world.when(SupervisorStarted(pid=2))
    assert lease(world).state == "used"


def test_a_port_held_for_nobody_is_no_lease() -> None:
    """Nor is one held for another number than the present one."""
    world = world_with_port()
    before = world.state.leases
    world.when(PortHeld(lease="gone.1/main", port=1), PortHeld(lease="web.1/main", port=1))
    assert world.state.leases == before


def test_open_ports_concern_the_lease_that_has_them() -> None:
    """A person's lease is in use while its own port is open, whatever other ports do."""
    world = World()
    for name in ("ide", "repl"):
        world.when(CommandReceived(verb="lease", arguments={"lease": name}))
    ide, repl = (world.state.personal.by_name[name] for name in ("ide", "repl"))
    assert ide.port != repl.port
    world.when(PortOpened(port=repl.port, address="127.0.0.1"))
    assert world.state.personal.by_name["repl"].free_since is None
    assert world.state.personal.by_name["ide"] == ide
    world.when(PortClosed(port=repl.port, address="127.0.0.1"))
    assert world.state.personal.by_name["repl"].free_since == world.state.at

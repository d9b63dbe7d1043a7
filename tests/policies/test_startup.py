"""When an instance starts."""

from __future__ import annotations

import pytest

from events.catalog import (
    Condition,
    PortHeld,
    PortRequest,
    ProbePassed,
    Restart,
    RunExited,
    RunStarted,
    StartDecided,
)
from tests.given import SECOND, World, asked, service


def test_what_is_wanted_and_needs_nothing_starts() -> None:
    """At once, because somebody asked; what is not started by itself waits for its name."""
    world = World(service("web"), service("tool", autostart=False))
    (start,) = world.when(asked("up"))
    assert isinstance(start, StartDecided)
    assert (start.instance, start.rule, start.values, start.rejected) == (
        "web.1",
        "startup.wanted",
        {"wanted": True},
        (),
    )
    assert (start.attempt, start.ports, start.ready_by) == (0, {}, None)
    assert world.cause(start) == asked("up")
    assert world.states() == {"web.1": "running", "tool.1": "declared"}


def test_each_replica_starts() -> None:
    """They are started one by one, in the order of their numbers."""
    world = World(service("web", replicas=2))
    started = world.when(asked("up"))
    assert [it.instance for it in started if isinstance(it, StartDecided)] == ["web.1", "web.2"]
    assert [it.number for it in world.state.services.instances.values()] == [1, 2]


@pytest.mark.parametrize(("condition", "removes"), [("started", RunStarted), ("healthy", ProbePassed)])
def test_a_dependency_starts_first(condition: Condition, removes: type[object]) -> None:
    """What is needed is asked for too, and the event that fulfils the condition is the cause of the next start."""
    world = World(service("web", needs={"db": condition}), service("db", probe=condition == "healthy"))
    first, *others = world.when(asked("start", "web"))
    assert isinstance(first, StartDecided)
    assert first.instance == "db.1"
    (start,) = others or world.passes("db.1")
    assert isinstance(start, StartDecided)
    assert (start.instance, start.values) == ("web.1", {"wanted": True, "db": condition})
    assert isinstance(world.cause(start), removes)


def test_a_task_must_be_done_first() -> None:
    """Its good end is the cause; that it has ended is no reason to stop who needed it."""
    world = World(service("web", needs={"migrate": "completed"}), service("migrate", task=True))
    world.when(asked("up"))
    assert world.states() == {"web.1": "waiting", "migrate.1": "running"}
    (start,) = world.exits("migrate.1", 0)
    assert isinstance(start, StartDecided)
    assert start.values == {"wanted": True, "migrate": "completed"}
    assert isinstance(world.cause(start), RunExited)
    assert world.states() == {"web.1": "running", "migrate.1": "completed"}


def test_one_good_replica_is_enough() -> None:
    """A dependency with a failed and a well instance is met."""
    world = World(service("web", needs={"db": "healthy"}), service("db", probe=True, replicas=2))
    world.when(asked("up"))
    (start,) = world.passes("db.2")
    assert isinstance(start, StartDecided)
    assert start.instance == "web.1"


def test_an_unhealthy_dependency_does_not_do() -> None:
    """One that runs but does not answer keeps others from starting; its first good answer lets them."""
    world = World(
        service("web", needs={"db": "healthy"}), service("db", probe=True, restart=Restart(on_unhealthy=False))
    )
    world.when(asked("start", "db"))
    world.passes("db.1")
    world.fails("db.1")
    assert world.when(asked("start", "web")) == []
    start, _ = world.passes("db.1")
    assert isinstance(start, StartDecided)
    assert (start.instance, world.cause(start).kind()) == ("web.1", "probe.passed")


def test_a_start_waits_for_its_ports_to_be_held() -> None:
    """The start quotes each port, and the event that held the last one is its cause."""
    world = World(service("web", PortRequest("main"), PortRequest("admin", fixed=9000)))
    world.ports_held = False
    chosen = world.when(asked("up"))
    assert [it.kind() for it in chosen] == ["port.chosen", "port.chosen"]
    main, admin = (lease.port for lease in world.state.leases.by_name.values())
    assert world.when(PortHeld(lease="web.1/main", port=main)) == []
    held = PortHeld(lease="web.1/admin", port=admin)
    (start,) = world.when(held)
    assert isinstance(start, StartDecided)
    assert (start.ports, admin) == ({"main": main, "admin": admin}, 9000)
    assert start.values == {"wanted": True, "port main": main, "port admin": admin}
    assert world.cause(start) == held


def test_a_start_with_a_probe_is_bounded() -> None:
    """It is ready by its start timeout or not at all; the first good answer ends the waiting."""
    world = World(service("web", probe=True))
    world.runs_begin = False
    (start,) = world.when(asked("up"))
    assert isinstance(start, StartDecided)
    assert start.ready_by == world.state.at + 60 * SECOND
    run = world.instance("web.1").run
    world.when(RunStarted(instance="web.1", run=run, pid=7))
    assert world.states() == {"web.1": "starting"}
    assert world.passes("web.1") == []
    assert (world.states(), world.state.deadlines.by_key) == ({"web.1": "running"}, {})


def test_nothing_starts_while_the_supervisor_goes() -> None:
    """Not even a try that is due; the next `up` takes it back."""
    world = World(service("web"), service("db"))
    world.when(asked("up"))
    world.exits("web.1")
    world.when(asked("detach"))
    assert world.due("restart:web.1") == []
    assert world.states() == {"web.1": "waiting", "db.1": "running"}
    (start,) = world.when(asked("up"))
    assert isinstance(start, StartDecided)
    assert start.instance == "web.1"

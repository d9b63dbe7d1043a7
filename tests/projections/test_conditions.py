"""Questions about the state: what is waited for, and whether anything will change by itself."""

from __future__ import annotations

from events.catalog import CommandReceived, PortRequest, Restart
from events.envelope import Recorded
from projections.conditions import settled, unmet, waits_for
from projections.state import evolve
from tests.given import World, asked, given_up, service

NEVER = Restart(when="never")


def waiting(world: World, name: str) -> str:
    """What an instance waits for, in words."""
    return waits_for(world.state, world.instance(name))


def test_what_a_start_waits_for() -> None:
    """Its dependency, then its port, then its first good answer, then nothing."""
    world = World(service("web", PortRequest(), needs={"db": "healthy"}, probe=True), service("db", probe=True))
    world.ports_held = False
    world.when(asked("up"))
    assert waiting(world, "web.1") == "db to be healthy"
    assert waiting(world, "db.1") == "its first good answer"
    world.fails("db.1", 1)
    assert waiting(world, "db.1") == "its first good answer (no answer)"
    world.passes("db.1")
    assert (waiting(world, "web.1"), waiting(world, "db.1")) == ("its port", "")


def test_what_a_failed_one_waits_for() -> None:
    """Its next try, by number; once the supervisor goes, only its start."""
    world = World(service("web"))
    world.when(asked("up"))
    world.exits("web.1")
    assert waiting(world, "web.1") == "its next try, number 1"
    world.when(asked("detach"))
    world.due("restart:web.1")
    assert waiting(world, "web.1") == "its start"


def test_what_a_lost_dependency_leaves_to_wait_for() -> None:
    """It says how it was lost."""
    world = World(service("web", needs={"db": "started"}), service("db", restart=NEVER))
    world.when(asked("up"))
    world.exits("db.1")
    world.exits("web.1", 0)
    assert waiting(world, "web.1") == "db, which was given up"
    assert unmet(world.state, world.instance("web.1")) == [("db", "started")]


def test_what_an_end_waits_for() -> None:
    """Those that need it, then its own processes, then those that were killed."""
    world = World(service("web", needs={"db": "started"}), service("db"), service("console", category="internal"))
    world.when(asked("up"))
    world.when(asked("down"))
    assert waiting(world, "db.1") == "web.1 to end first"
    assert waiting(world, "console.1") == "its turn to stop"
    assert waiting(world, "web.1") == "the end of its processes"
    world.due("kill:web.1")
    assert waiting(world, "web.1") == "the end of its processes, killed"


def test_settled_means_that_nothing_is_on_its_way() -> None:
    """A start, a try and an end are; what runs, is done, is given up or was never wanted is not."""
    world = World(
        service("web", probe=True), service("task", task=True), service("bad", restart=NEVER),
        service("tool", autostart=False),
    )  # fmt: skip
    assert settled(world.state)
    world.when(asked("up"))
    assert not settled(world.state)
    world.passes("web.1")
    assert settled(world.state)
    world.exits("task.1", 0)
    world.exits("bad.1")
    assert settled(world.state)
    world.when(asked("stop", "web"))
    assert not settled(world.state)
    world.exits("web.1", 0)
    assert settled(world.state)


def test_a_next_try_is_not_settled() -> None:
    """One that will be tried again is on its way."""
    world = World(service("web"))
    world.when(asked("up"))
    world.exits("web.1")
    assert not settled(world.state)
    world.due("restart:web.1")
    given_up(world, "web.1")
    assert settled(world.state)


def test_waiting_without_hope_is_settled() -> None:
    """What needs, through others too, something that was given up will not start by itself."""
    world = World(
        service("top", needs={"web": "started"}), service("web", needs={"db": "healthy"}),
        service("db", restart=NEVER, probe=True),
    )  # fmt: skip
    world.when(asked("up"))
    assert not settled(world.state)
    world.exits("db.1")
    assert world.states() == {"top.1": "waiting", "web.1": "waiting", "db.1": "failed"}
    assert settled(world.state)


def test_waiting_for_a_replica_that_is_tried_again_is_not_settled() -> None:
    """One of the two still has hope."""
    world = World(service("web", needs={"db": "started"}), service("db", restart=Restart(attempts_max=1), replicas=2))
    world.runs_begin = False
    world.when(asked("up"))
    assert not settled(world.state)


def test_a_signal_that_is_still_to_be_sent_is_waited_for() -> None:
    """What somebody asked for is not done yet, though the run goes on."""
    world = World(service("web"))
    world.when(asked("up"))
    assert settled(world.state)
    command = CommandReceived(verb="signal", services=("web",), arguments={"signal": "HUP"})
    assert not settled(evolve(world.state, Recorded(world.state.seq + 1, world.state.at + 1, command)))

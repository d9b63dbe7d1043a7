"""Rolling restarts and signals: one instance at a time, and what a failure does to the rest."""

from __future__ import annotations

from events.catalog import CommandReceived, RollingRestartEnded, RollingRestartStepped, SignalDecided, StopDecided
from projections.conditions import settled
from tests.given import World, asked, rules, service

ROLLING = CommandReceived(verb="restart", services=("web",), arguments={"rolling": True})


def running(replicas: int = 3) -> World:
    """All instances of web are healthy."""
    world = World(service("web", probe=True, replicas=replicas))
    world.when(asked("up"))
    for number in range(1, replicas + 1):
        world.passes(f"web.{number}")
    return world


def test_one_after_the_other() -> None:
    """The next run is replaced once the one before is healthy; at the end it is said so."""
    world = running(2)
    stepped, stop = world.when(ROLLING)
    assert isinstance(stepped, RollingRestartStepped)
    assert isinstance(stop, StopDecided)
    assert (stepped.instance, stop.instance, stop.values["why"]) == ("web.1", "web.1", "its turn in a rolling restart")
    assert rules(world.exits("web.1", 0)) == ["startup.wanted"]
    assert not settled(world.state)
    assert rules(world.passes("web.1")) == ["rolling.next", "restart.asked"]
    world.exits("web.2", 0)
    (ended,) = world.passes("web.2")
    assert isinstance(ended, RollingRestartEnded)
    assert (ended.problem, ended.values) == ("", {"replaced": 2, "left": 0})
    assert settled(world.state)
    assert world.later(60) == []


def test_a_failure_leaves_the_others_as_they_are() -> None:
    """The story says whose failure it was, and that the others keep their runs."""
    world = running()
    world.when(ROLLING)
    world.exits("web.1", 0)
    ended = next(it for it in world.exits("web.1", 3) if isinstance(it, RollingRestartEnded))
    assert ended.problem == "web.1 exited with code 3"
    assert [it.reason for it in ended.rejected] == ["web.2, web.3 would fail as well"]
    assert {name: it.rolling for name, it in world.state.services.instances.items()} == {
        "web.1": False, "web.2": False, "web.3": False,
    }  # fmt: skip
    assert world.states()["web.2"] == "running"


def test_the_failure_of_the_last_one() -> None:
    """There is no other one to be spared."""
    world = running(1)
    world.when(ROLLING)
    world.exits("web.1", 0)
    ended = next(it for it in world.exits("web.1", 3) if isinstance(it, RollingRestartEnded))
    assert (ended.rejected, ended.values["left"]) == ((), 0)


def test_an_instance_that_fails_by_itself_is_waited_for() -> None:
    """It was not replaced: its next try may help."""
    world = running()
    world.when(ROLLING)
    world.exits("web.1", 0)
    assert "rolling.broken" not in rules(world.exits("web.3"))
    assert "rolling.next" not in rules(world.passes("web.1"))
    world.due("restart:web.3")
    assert rules(world.passes("web.3"))[0] == "rolling.next"


def test_a_stop_ends_it() -> None:
    """What is not wanted any more is not replaced."""
    world = running(2)
    world.when(ROLLING)
    world.when(asked("stop", "web"))
    for name in ("web.1", "web.2"):
        world.exits(name, 0)
    assert world.states() == {"web.1": "stopped", "web.2": "stopped"}
    assert world.state.services.rollouts["web"].over


def test_what_is_given_up_ends_it_before_it_begins() -> None:
    """Who has one that does not start should not risk the others."""
    world = running(2)
    for _ in range(4):
        world.exits("web.1")
        if "restart:web.1" in world.state.deadlines.by_key:
            world.due("restart:web.1")
    assert world.states()["web.1"] == "failed"
    assert rules(world.when(ROLLING)) == ["rolling.broken"]


def test_a_shutdown_is_not_delayed() -> None:
    """Nothing is replaced while everything goes."""
    world = running(2)
    decided = world.when(ROLLING, asked("down"))
    assert "rolling.next" not in rules(decided)


def test_what_runs_without_a_check_or_stands_still_is_well() -> None:
    """There is nothing to wait for."""
    world = World(service("web", replicas=2))
    world.when(asked("up"))
    world.when(CommandReceived(verb="pause", services=("web",)))
    assert rules(world.when(ROLLING)) == ["rolling.next", "restart.asked"]
    assert rules(world.exits("web.1", 0)) == ["startup.wanted", "rolling.next", "restart.asked"]


def test_a_signal_is_sent_once_to_each_run() -> None:
    """What does not run is not told."""
    world = running(2)
    world.when(asked("stop", "web"))
    world.exits("web.2", 0)
    world.when(asked("start", "web"))
    command = CommandReceived(verb="signal", services=("web",), arguments={"signal": "HUP"})
    (decided,) = world.when(command)
    assert isinstance(decided, SignalDecided)
    assert (decided.instance, decided.signal) == ("web.2", "HUP")
    assert world.cause(decided) is command
    assert world.later(1) == []

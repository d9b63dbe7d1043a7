"""What a run may use: its limits, and its memory."""

from __future__ import annotations

import msgspec

from events.catalog import (
    AlertRaised,
    AlertResolved,
    Limits,
    LimitsApplied,
    LimitsDecided,
    MemoryExceeded,
    MemoryMax,
    MemoryRecovered,
    Rejected,
    RestartScheduled,
    Service,
    StopDecided,
)
from tests.given import PID, World, asked, declared, rules, service

LOW = Limits(priority="low", cpus=(0, 1), open_files=64, processes=9)
MIB = 1 << 20
replace = msgspec.structs.replace


def up(*services: Service) -> World:
    """A world in which everything runs."""
    world = World(*services)
    world.when(asked("up"))
    return world


def limited(limits: Limits = LOW, memory: MemoryMax | None = None) -> Service:
    """A service that may only use so much."""
    return replace(service("web"), limits=limits, memory=memory)


def exceeded(world: World, mib: int = 600) -> MemoryExceeded:
    """Its present run has grown."""
    run = world.instance("web.1").run
    return MemoryExceeded(instance="web.1", run=run, memory_bytes=mib * MIB, limit_bytes=512 * MIB, seconds=3.0)


def test_a_run_is_limited_once_it_has_begun() -> None:
    """With what nexus.toml says; one without limits is left alone."""
    world = World(limited(), service("db"))
    decided = [it for it in world.when(asked("up")) if isinstance(it, LimitsDecided)]
    (one,) = decided
    assert (one.instance, one.run, one.pid, one.limits) == ("web.1", world.instance("web.1").run, PID, LOW)
    assert (one.rule, one.rejected) == ("limits.declared", ())
    assert one.values == {"priority": "low", "cpus": "0, 1", "open_files": 64, "processes": 9}
    assert world.cause(one).kind() == "run.started"
    assert world.later(1) == []


def test_limits_change_without_a_restart() -> None:
    """And are taken back when they are no longer declared."""
    world = up(limited())
    (changed,) = world.when(declared(limited(Limits(priority="high"))))
    assert isinstance(changed, LimitsDecided)
    assert (changed.values, changed.rejected[0].option) == ({"priority": "high"}, "start it anew")
    assert world.cause(changed).kind() == "configuration.loaded"
    (lifted,) = world.when(declared(limited(Limits())))
    assert isinstance(lifted, LimitsDecided)
    assert lifted.limits == Limits()
    assert world.when(declared(limited(Limits()))) == []


def test_the_next_run_is_limited_too() -> None:
    """What the run before had is over with it; a late outcome of that one changes nothing."""
    world = up(limited())
    first = world.instance("web.1").run
    world.exits("web.1")
    assert [it for it in world.due("restart:web.1") if isinstance(it, LimitsDecided)]
    known = world.state.resources.limited
    world.when(LimitsApplied(instance="web.1", run=first), LimitsApplied(instance="db.1", run=1))
    assert world.state.resources.limited == known


def test_a_service_that_is_gone_keeps_its_limits() -> None:
    """Until it has ended."""
    world = up(limited())
    assert "limits.declared" not in rules(world.when(declared()))


def test_what_the_system_refused_is_told() -> None:
    """An alert that is over with the run."""
    world = up(limited())
    refused = (Rejected("nice -5", "permission denied"),)
    run = world.instance("web.1").run
    (alert,) = world.when(LimitsApplied(instance="web.1", run=run, applied=("processors 0, 1",), refused=refused))
    assert isinstance(alert, AlertRaised)
    assert (alert.severity, alert.rule) == ("info", "alerts.limits")
    assert alert.message == "not all limits of web.1 could be set: nice -5: permission denied"
    assert [it for it in world.exits("web.1") if isinstance(it, AlertResolved)]


def test_one_that_uses_too_much_memory_is_restarted() -> None:
    """As after any failure, with the figures as the reason."""
    world = up(limited(Limits(), MemoryMax(512 * MIB)))
    (stop,) = world.when(exceeded(world))
    assert isinstance(stop, StopDecided)
    assert (stop.rule, stop.failure) == ("resources.memory", "used 600 MiB of memory, more than its 512 MiB")
    assert stop.values["memory_max_bytes"] == 512 * MIB
    assert stop.rejected == (Rejected("only alert", "its memory_max says restart"),)
    (again,) = (it for it in world.exits("web.1", None, "TERM") if isinstance(it, RestartScheduled))
    assert again.values["problem"] == stop.failure
    assert world.state.resources.excess == {}


def test_one_that_stands_still_is_restarted_when_it_goes_on() -> None:
    """Not before: whoever paused it wants to look at it."""
    world = up(limited(Limits(), MemoryMax(512 * MIB)))
    world.when(asked("pause", "web"))
    assert "resources.memory" not in rules(world.when(exceeded(world)))
    assert "resources.memory" in rules(world.when(asked("resume", "web")))


def test_or_somebody_is_told() -> None:
    """Until it has given the memory back, or may use more, or nothing is said about memory any more."""
    world = up(limited(Limits(), MemoryMax(512 * MIB, "alert")))
    (alert,) = world.when(exceeded(world))
    assert isinstance(alert, AlertRaised)
    assert alert.message == "web.1 uses 600 MiB of memory, more than its 512 MiB"
    assert (alert.severity, alert.rule) == ("warning", "alerts.memory")
    run = world.instance("web.1").run
    assert world.when(MemoryRecovered(instance="web.1", run=run - 1, memory_bytes=MIB)) == []
    (over,) = world.when(MemoryRecovered(instance="web.1", run=run, memory_bytes=MIB))
    assert isinstance(over, AlertResolved)
    world.when(exceeded(world))
    assert rules(world.when(declared(limited(Limits(), MemoryMax(1024 * MIB, "alert"))))) == ["alerts.over"]
    assert rules(world.when(declared(limited(Limits(), MemoryMax(100 * MIB))))) == ["resources.memory"]
    world = up(limited(Limits(), MemoryMax(512 * MIB, "alert")))
    world.when(exceeded(world))
    assert rules(world.when(declared(service("web")))) == ["alerts.over"]


def test_what_an_earlier_run_used_is_no_matter() -> None:
    """Nor is a service that is no longer declared."""
    world = up(limited(Limits(), MemoryMax(512 * MIB)))
    world.when(replace(exceeded(world), run=1))
    assert world.states()["web.1"] == "running"
    assert "resources.memory" not in rules(world.when(declared(), exceeded(world)))

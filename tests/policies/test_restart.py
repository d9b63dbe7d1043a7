"""What follows a failure."""

from __future__ import annotations

import pytest

from events.catalog import (
    PortRequest,
    Rejected,
    Restart,
    RestartScheduled,
    RestartWhen,
    RunExited,
    RunRefused,
    ServiceGivenUp,
    StartDecided,
)
from tests.given import SECOND, World, asked, given_up, service


def running(restart: Restart = Restart()) -> World:  # noqa: B008 - frozen
    """A world in which the only service runs."""
    world = World(service("web", restart=restart))
    world.when(asked("up"))
    return world


def test_a_failure_is_answered_by_a_later_try() -> None:
    """The decision quotes the exit, the delay and the count of tries, and says why not now and why not never."""
    world = running()
    (scheduled,) = world.exits("web.1", 3)
    assert isinstance(scheduled, RestartScheduled)
    assert (scheduled.instance, scheduled.attempt, scheduled.due) == ("web.1", 1, world.state.at + SECOND)
    assert scheduled.rule == "restart.ladder"
    assert scheduled.values == {
        "problem": "exited with code 3", "failures": 1, "tries": 3, "when": "always", "delay_seconds": 1.0,
    }  # fmt: skip
    assert scheduled.rejected == (
        Rejected("restart at once", "the ladder waits 1 s before try 1"),
        Rejected("give up", "this is try 1 of 3"),
    )
    assert isinstance(world.cause(scheduled), RunExited)
    assert world.later(0.5) == []


def test_the_try_is_made_when_its_moment_comes() -> None:
    """The start names the failure that it answers, and the ladder as its rule."""
    world = running()
    world.exits("web.1")
    (start,) = world.due("restart:web.1")
    assert isinstance(start, StartDecided)
    assert (start.attempt, start.rule, start.values["problem"]) == (1, "restart.ladder", "exited with code 1")
    assert start.rejected == (Rejected("leave it down", "try 1 of 3 was still to be made"),)
    assert world.cause(start).kind() == "deadline.reached"
    assert world.instance("web.1").restarts == 1


@pytest.mark.parametrize(
    ("restart", "delays"),
    [
        (Restart(), [1.0, 2.0, 4.0]),
        (Restart(delays_seconds=(0.5, 3.0), attempts_max=4), [0.5, 3.0, 3.0, 3.0]),
        (Restart(delays_seconds=(1.0, 2.0), attempts_max=1), [1.0]),
    ],
)
def test_the_ladder_ends(restart: Restart, delays: list[float]) -> None:
    """Each try waits for its rung, the last rung repeats, and then the instance is given up until somebody asks."""
    world = running(restart)
    for attempt, delay_seconds in enumerate(delays, 1):
        (scheduled,) = world.exits("web.1")
        assert isinstance(scheduled, RestartScheduled)
        assert (scheduled.attempt, scheduled.values["delay_seconds"]) == (attempt, delay_seconds)
        assert scheduled.due == world.state.at + int(delay_seconds * SECOND)
        world.due("restart:web.1")
    final, *_ = world.exits("web.1")
    assert isinstance(final, ServiceGivenUp)
    assert (final.failures, final.reason, final.rule) == (len(delays) + 1, "exited with code 1", "restart.given_up")
    assert final.rejected == (Rejected("try again", f"all {len(delays)} tries failed"),)
    assert world.states() == {"web.1": "failed"}
    started = [it for it in world.when(asked("start", "web")) if isinstance(it, StartDecided)]
    assert [(it.attempt, it.rule) for it in started] == [(0, "startup.wanted")]


@pytest.mark.parametrize("delays", [(0.0,), ()])
def test_a_ladder_without_delay_tries_at_once(delays: tuple[float, ...]) -> None:
    """Nothing is scheduled: the start itself answers the failure."""
    world = running(Restart(delays_seconds=delays, attempts_max=1))
    (start,) = world.exits("web.1")
    assert isinstance(start, StartDecided)
    assert (start.attempt, start.rule) == (1, "restart.ladder")
    assert isinstance(world.cause(start), RunExited)


def test_one_that_is_never_restarted_is_given_up_at_its_first_failure() -> None:
    """Its policy is the reason, not the count of tries."""
    world = running(Restart(when="never"))
    final, *_ = world.exits("web.1")
    assert isinstance(final, ServiceGivenUp)
    assert final.rejected == (Rejected("try again", "its restart policy is never"),)
    assert isinstance(world.cause(final), RunExited)


@pytest.mark.parametrize("when", ["on failure", "never"])
def test_a_good_end_is_no_failure(when: RestartWhen) -> None:
    """One that is not always restarted is done when it ends well."""
    world = running(Restart(when=when))
    assert world.exits("web.1", 0) == []
    assert world.states() == {"web.1": "completed"}


@pytest.mark.parametrize(("code", "signal", "problem"), [
    (0, None, "exited with code 0"),
    (None, "KILL", "was ended by signal KILL"),
    (None, None, "ended, and nobody saw how"),
])  # fmt: skip
def test_every_end_of_a_service_that_always_runs_is_a_failure(
    code: int | None, signal: str | None, problem: str
) -> None:
    """In the words of what was seen."""
    (scheduled,) = running().exits("web.1", code, signal)
    assert scheduled.values["problem"] == problem


@pytest.mark.parametrize(("well_seconds", "attempt"), [(9.0, 2), (11.0, 1)])
def test_failures_are_forgotten_after_enough_health(well_seconds: float, attempt: int) -> None:
    """A run that stayed well for `reset_after_seconds` begins a new ladder; a shorter one goes on with the old."""
    world = running()
    world.exits("web.1")
    world.due("restart:web.1")
    world.later(well_seconds)
    (scheduled,) = world.exits("web.1")
    assert isinstance(scheduled, RestartScheduled)
    assert scheduled.attempt == attempt


def test_somebody_who_asks_need_not_wait() -> None:
    """A wish ends the delay and forgets the failures."""
    world = running()
    world.exits("web.1")
    (start,) = world.when(asked("start", "web"))
    assert isinstance(start, StartDecided)
    assert (start.attempt, start.rejected) == (0, ())
    assert "restart:web.1" not in world.state.deadlines.by_key


def test_a_start_that_the_system_refuses_is_a_failure() -> None:
    """The error is the problem that the next try quotes."""
    world = World(service("web"))
    world.runs_begin = False
    world.when(asked("up"))
    run = world.instance("web.1").run
    (scheduled,) = world.when(RunRefused(instance="web.1", run=run, error="no such file"))
    assert isinstance(scheduled, RestartScheduled)
    assert scheduled.values["problem"] == "could not be started: no such file"


def test_a_start_refused_for_a_port_that_may_move_costs_no_try() -> None:
    """It starts again on another port at once; a number that nexus.toml insists on is a failure instead."""
    world = World(service("web", PortRequest()), service("api", PortRequest(fixed=8080)))
    world.runs_begin = False
    world.when(asked("up"))
    web, api = world.instance("web.1"), world.instance("api.1")
    taken = [
        RunRefused(instance=it.name, run=it.run, error="address in use", port=it.ports["main"]) for it in (web, api)
    ]
    decided = world.when(*taken)
    (scheduled,) = (it for it in decided if isinstance(it, RestartScheduled))
    assert (scheduled.instance, scheduled.values["problem"]) == ("api.1", "could not be started: address in use")
    (start,) = (it for it in decided if isinstance(it, StartDecided))
    assert (start.instance, start.attempt) == ("web.1", 0)
    assert start.ports["main"] != web.ports["main"]


def test_given_up_together_with_its_failures() -> None:
    """Nothing more is decided for one that is given up, however long it lasts."""
    world = running(Restart(delays_seconds=(1.0,)))
    given_up(world, "web.1")
    assert world.later(3_600) == []
    assert world.state.deadlines.by_key == {}

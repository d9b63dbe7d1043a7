"""What is wanted of each instance, and what its present run is doing."""

from __future__ import annotations

import pytest

from events.catalog import (
    DeadlineReached,
    PortRefused,
    PortRequest,
    ProbeFailed,
    ProbePassed,
    Restart,
    RunAbandoned,
    RunEvent,
    RunExited,
    RunRefused,
    RunStarted,
    StartDecided,
)
from tests.given import World, asked, declared, given_up, service


@pytest.mark.parametrize(
    "late",
    [
        RunStarted(instance="web.1", run=1, pid=1),
        RunExited(instance="web.1", run=1, exit_code=1),
        RunRefused(instance="web.1", run=1, error="no such file"),
        RunAbandoned(instance="web.1", run=1),
        ProbePassed(instance="web.1", run=1),
        ProbeFailed(instance="web.1", run=1, failures=3, detail="no answer"),
        RunStarted(instance="gone.1", run=1, pid=1),
        ProbeFailed(instance="gone.1", run=1, failures=3, detail="no answer"),
    ],
    ids=lambda event: f"{event.kind()} {event.instance}",
)
def test_what_is_told_of_an_earlier_run_changes_nothing(late: RunEvent) -> None:
    """Neither the present run nor anything that is decided."""
    world = World(service("web"))
    world.when(asked("up"))
    before = world.state.services
    assert world.when(late) == []
    assert world.state.services == before


def test_a_run_that_never_began_costs_no_try() -> None:
    """It is abandoned, and another one is started at once."""
    world = World(service("web"))
    world.runs_begin = False
    world.when(asked("up"))
    first = world.instance("web.1").run
    (start,) = world.when(RunAbandoned(instance="web.1", run=first))
    assert isinstance(start, StartDecided)
    assert (start.attempt, world.instance("web.1").failures) == (0, 0)
    assert world.state.services.runs == {world.instance("web.1").run: "web.1"}
    assert world.instance("web.1").run > first


def test_a_task_is_done_once() -> None:
    """`up` leaves alone what is completed; somebody who names it has it done again."""
    world = World(service("web", needs={"migrate": "completed"}), service("migrate", task=True))
    world.when(asked("up"))
    world.exits("migrate.1", 0)
    assert world.when(asked("up")) == []
    assert world.states() == {"web.1": "running", "migrate.1": "completed"}
    world.when(asked("start", "migrate"))
    assert world.states()["migrate.1"] == "running"


def test_a_good_answer_of_a_run_that_is_to_end_starts_nothing() -> None:
    """It stays on its way to the end, and is not counted as well."""
    world = World(service("web", probe=True))
    world.when(asked("up"))
    world.when(asked("stop", "web"))
    world.passes("web.1")
    web = world.instance("web.1")
    assert (web.state, web.well_since, web.ready_at) == ("stopping", 0, 0)


def test_a_bad_answer_ends_the_time_of_health() -> None:
    """Its failures are forgotten if that was long enough, and the count begins anew with the next good answer."""
    world = World(service("web", probe=True))
    world.when(asked("up"))
    world.exits("web.1")
    world.due("restart:web.1")
    world.passes("web.1")
    world.later(5)
    world.fails("web.1", 1)
    assert (world.instance("web.1").failures, world.instance("web.1").well_since) == (1, 0)
    world.passes("web.1")
    assert world.instance("web.1").well_since == world.state.at
    world.later(11)
    world.fails("web.1", 1)
    assert world.instance("web.1").failures == 0


def test_only_the_last_failures_are_kept() -> None:
    """Five moments."""
    world = World(service("web", restart=Restart(delays_seconds=(1.0,), attempts_max=7)))
    world.when(asked("up"))
    given_up(world, "web.1")
    web = world.instance("web.1")
    assert (web.failures, len(web.failed_at), web.failed_at[-1]) == (8, 5, web.since)


def test_a_refused_port_that_nobody_insists_on_is_no_failure() -> None:
    """Nor one of an instance that runs, or that is not known."""
    world = World(service("web", PortRequest(fixed=8080)))
    world.when(asked("up"))
    before = world.state.services
    world.when(PortRefused(lease="web.1/main", port=8080, reason="in use"))
    world.when(PortRefused(lease="gone.1/main", port=8080, reason="in use"))
    world.when(DeadlineReached(key="restart:gone.1", due=1))
    assert world.state.services == before


def test_a_new_declaration_keeps_what_is_known() -> None:
    """An instance that is declared again goes on as it was; a new one begins."""
    world = World(service("web"))
    world.when(asked("up"))
    before = world.instance("web.1")
    world.when(declared(service("web"), service("db")))
    assert world.instance("web.1") == before
    assert world.states() == {"web.1": "running", "db.1": "declared"}

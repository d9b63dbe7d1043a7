"""The moments at which a decision wants to be looked at again."""

from __future__ import annotations

import pytest

from events.catalog import DeadlineReached, ProbePassed, RunExited
from projections.deadlines import Deadlines
from tests.given import SECOND, World, asked, declared, service


def test_the_earliest_comes_first() -> None:
    """None where nothing is due."""
    assert Deadlines().next_due() is None
    world = World(service("web"), service("slow", probe=True))
    world.when(asked("up"))
    ready = world.state.deadlines.by_key["ready:slow.1"].due
    assert world.state.deadlines.next_due() == ready
    world.exits("web.1")
    assert world.state.deadlines.next_due() == world.state.at + SECOND < ready


@pytest.mark.parametrize("late", [ProbePassed, RunExited])
def test_what_is_told_of_an_earlier_run_ends_no_waiting(late: type[ProbePassed] | type[RunExited]) -> None:
    """The present run still has to be ready in time."""
    world = World(service("web", probe=True))
    world.when(asked("up"))
    before = world.state.deadlines
    world.when(late(instance="web.1", run=1))
    assert world.state.deadlines == before != Deadlines()


def test_a_moment_that_came_too_early_is_not_over() -> None:
    """It belongs to a deadline that was moved since; one that nobody waits for changes nothing."""
    world = World(service("web", probe=True))
    world.when(asked("up"))
    due = world.state.deadlines.by_key["ready:web.1"].due
    before = world.state.deadlines
    early, other = DeadlineReached(key="ready:web.1", due=due - 1), DeadlineReached(key="kill:web.1", due=due)
    assert world.when(early, other) == []
    assert world.state.deadlines == before


def test_what_is_no_longer_declared_is_not_tried_again() -> None:
    """Others still are."""
    world = World(service("web"), service("db"))
    world.when(asked("up"))
    world.exits("web.1")
    world.exits("db.1")
    world.when(declared(service("db")))
    assert list(world.state.deadlines.by_key) == ["restart:db.1"]


@pytest.mark.parametrize(("services", "left"), [(("web",), ["restart:db.1"]), ((), [])])
def test_a_wish_ends_the_waiting(services: tuple[str, ...], left: list[str]) -> None:
    """Of the services that it names, or of all."""
    world = World(service("web"), service("db"))
    world.when(asked("up"))
    world.exits("web.1")
    world.exits("db.1")
    world.when(asked("stop" if services else "down", *services))
    assert list(world.state.deadlines.by_key) == left

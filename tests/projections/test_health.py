"""What the last answers of each run said."""

from __future__ import annotations

from events.catalog import ProbeFailed, ProbePassed, RunExited
from projections.health import Health
from tests.given import World, asked, service


def probed() -> World:
    """A world in which a service with a probe begins."""
    world = World(service("web", probe=True))
    world.when(asked("up"))
    return world


def health(world: World) -> Health:
    """What is known of its health."""
    return world.state.health.by_instance["web.1"]


def test_failures_before_the_first_good_answer_are_not_yet_health() -> None:
    """It is still starting: unknown, with the answer as detail."""
    world = probed()
    world.fails("web.1", 7)
    assert (health(world).status, health(world).failures, health(world).detail) == ("unknown", 7, "no answer")


def test_health_gets_worse_by_steps_and_better_at_once() -> None:
    """Degraded until the limit, then unhealthy; `since` is when it became so, `observed_at` the last answer."""
    world = probed()
    world.passes("web.1")
    assert health(world).status == "healthy"
    world.fails("web.1", 1)
    since = world.state.at
    world.later(1)
    world.fails("web.1", 2)
    assert (health(world).status, health(world).failures) == ("degraded", 2)
    assert health(world).since == since < health(world).observed_at
    world.fails("web.1", 3)
    assert (health(world).status, health(world).detail) == ("unhealthy", "no answer")
    world.passes("web.1")
    assert (health(world).status, health(world).failures, health(world).detail) == ("healthy", 0, "")


def test_an_earlier_run_says_nothing_about_the_present_one() -> None:
    """Whatever it answers, and that it ends."""
    world = probed()
    before = world.state.health
    world.when(ProbePassed(instance="web.1", run=1))
    world.when(ProbeFailed(instance="web.1", run=1, failures=3, detail="no answer"))
    world.when(RunExited(instance="web.1", run=1))
    world.when(ProbePassed(instance="gone.1", run=1), ProbeFailed(instance="gone.1", run=1, failures=1, detail=""))
    world.when(RunExited(instance="gone.1", run=1))
    assert world.state.health == before


def test_without_a_run_there_is_no_health() -> None:
    """It is unknown from its end on."""
    world = probed()
    world.passes("web.1")
    assert world.state.health.status("web.1") == "healthy"
    world.exits("web.1")
    assert (world.state.health.by_instance, world.state.health.status("web.1")) == ({}, "unknown")

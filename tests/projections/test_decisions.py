"""Decisions whose outcome is still to come."""

from __future__ import annotations

from events.catalog import (
    KillDecided,
    PortChosen,
    PortHeld,
    PortRequest,
    RunAdopted,
    RunExited,
    RunStarted,
    StartDecided,
    StopDecided,
)
from events.envelope import Draft
from nexus.policies.step import step
from tests.given import World, asked, declared, service


def pending(world: World) -> list[str]:
    """The kinds of the decisions without an outcome."""
    return [decision.kind() for decision in world.state.decisions.pending.values()]


def test_a_decision_is_pending_until_its_own_outcome() -> None:
    """An outcome names the decision as its cause; one that names none answers nothing."""
    world = World(service("web", PortRequest()))
    world.ports_held = False
    (chosen,) = world.when(asked("up"))
    assert isinstance(chosen, PortChosen)
    ((seq, decision),) = world.state.decisions.pending.items()
    assert (decision, world.state.decisions.taken) == (chosen, 1)
    held = PortHeld(lease="web.1/main", port=chosen.port)
    state, _ = step(world.state, [Draft(held, 1)], world.state.at + 1)
    assert seq in state.decisions.pending
    state, _ = step(world.state, [Draft(held, seq)], world.state.at + 1)
    assert [type(it) for it in state.decisions.pending.values()] == [StartDecided]


def test_the_end_of_a_run_answers_everything_about_it() -> None:
    """Start, stop and kill, but nothing about other runs."""
    world = World(service("web"), service("db"))
    world.runs_begin = False
    world.when(asked("up"))
    run = world.instance("web.1").run
    for event in (StopDecided(instance="web.1", run=run, rule="r"), KillDecided(instance="web.1", run=run, rule="r")):
        world.state, _ = step(world.state, [Draft(event)], world.state.at + 1)
    assert pending(world) == ["start.decided", "start.decided", "stop.decided", "kill.decided"]
    world.state, _ = step(world.state, [Draft(RunExited(instance="web.1", run=run))], world.state.at + 1, [])
    assert list(world.state.decisions.pending) == [world.instance("db.1").run]


def test_a_run_found_alive_answers_its_start_only() -> None:
    """It is still to be stopped if that was decided."""
    world = World(service("web"))
    world.runs_begin = False
    world.when(asked("up"))
    run = world.instance("web.1").run
    world.state, _ = step(world.state, [Draft(StopDecided(instance="web.1", run=run, rule="r"))], world.state.at + 1)
    world.when(RunAdopted(instance="web.1", run=run, pid=5))
    assert pending(world) == ["stop.decided"]
    before = world.state.decisions
    world.when(RunAdopted(instance="web.1", run=run, pid=5), RunStarted(instance="web.1", run=run, pid=5))
    assert world.state.decisions == before


def test_letting_go_of_a_port_is_done_at_once() -> None:
    """It is counted, and nothing is waited for."""
    world = World(service("web", PortRequest()))
    world.when(asked("up"))
    world.exits("web.1")
    taken = world.state.decisions.taken
    world.when(declared())
    assert world.state.leases.by_name["web.1/main"].state == "released"
    assert (pending(world), world.state.decisions.taken) == ([], taken + 1)

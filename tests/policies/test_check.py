"""Replay as a test."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from events.catalog import AlertRaised, Decision, LogOpened, Restart, RestartScheduled, ShutdownCompleted, StartDecided
from events.envelope import Draft, Recorded
from nexus.policies import shutdown
from nexus.policies.check import check
from nexus.policies.step import POLICIES
from projections.state import State, encode, evolve_all
from tests.given import World, asked, service


def story() -> list[Recorded]:
    """A service starts, fails and is tried again; another one just runs."""
    world = World(service("web", needs={"db": "started"}), service("db"))
    world.when(asked("up"))
    world.exits("web.1")
    world.due("restart:web.1")
    return world.history


def decisions(history: list[Recorded]) -> int:
    """How many of its events are decisions."""
    return sum(isinstance(it.event, Decision) for it in history)


def changed(history: list[Recorded], seq: int, **changes: object) -> list[Recorded]:
    """The same history but for one event."""
    return [msgspec.structs.replace(it, **changes) if it.seq == seq else it for it in history]


def seq_of(history: list[Recorded], kind: type[Decision]) -> int:
    """The first decision of a kind."""
    return next(it.seq for it in history if isinstance(it.event, kind))


def test_nothing_differs() -> None:
    """Every decision and every turn is counted."""
    history = story()
    checked = check(history)
    assert list(checked) == []
    assert checked.checked == decisions(history)
    assert checked.turns == len({it.at for it in history})
    assert checked.state == evolve_all(State(), history)


def test_a_decision_that_would_not_be_taken_any_more() -> None:
    """It is named, with nothing in its place."""
    world = World(service("web", restart=Restart(when="never")))
    world.when(asked("up"))
    world.exits("web.1")
    seq = seq_of(world.history, AlertRaised)
    (found,) = check(world.history, POLICIES[:-1])
    assert (found.seq, found.recorded, found.now) == (seq, world.history[seq - 1], None)


def test_a_decision_about_nothing_in_particular() -> None:
    """The end of a shutdown is compared too."""
    world = World(service("web"))
    world.when(asked("detach"))
    (found,) = check(world.history, [policy for policy in POLICIES if policy is not shutdown.decide])
    assert found.recorded == world.history[-1]
    assert isinstance(world.history[-1].event, ShutdownCompleted)


def test_a_new_decision() -> None:
    """It stands where it would have been recorded, and what follows from the same cause is left alone."""

    def eager(state: State) -> Iterator[Draft]:
        web = state.services.instances.get("web.1")
        if web and web.state == "waiting" and not web.delayed and not web.answered and web.failures:
            yield Draft(StartDecided(instance="web.1", rule="eager"), web.changed)

    history = story()
    found = list(check(history, (eager, *POLICIES)))
    exit_seq = seq_of(history, RestartScheduled) - 1
    assert [(it.seq, it.recorded is None, it.now is None) for it in found] == [
        (exit_seq + 1, False, True), (exit_seq + 1, True, False),
    ]  # fmt: skip
    now = next(it.now for it in found if it.now)
    assert (now.seq, now.cause, now.event) == (exit_seq + 1, exit_seq, StartDecided(instance="web.1", rule="eager"))


def test_a_value_that_would_be_another() -> None:
    """Both decisions are shown side by side."""
    history = story()
    seq = seq_of(history, RestartScheduled)
    was = history[seq - 1].event
    assert isinstance(was, RestartScheduled)
    forged = changed(history, seq, event=msgspec.structs.replace(was, values={}))
    (found,) = check(forged)
    assert found.recorded is not None
    assert found.now is not None
    assert (found.seq, found.recorded.event, found.now.event) == (seq, forged[seq - 1].event, was)


def test_a_cause_that_would_be_another() -> None:
    """The same words for another reason are a difference."""
    history = story()
    seq = seq_of(history, RestartScheduled)
    (found,) = check(changed(history, seq, cause=1))
    assert found.seq == seq


def test_what_follows_from_a_difference_is_not_told_again() -> None:
    """A correlation that has diverged is left alone, and each turn is judged on what was recorded."""
    history = story()
    first = seq_of(history, StartDecided)
    later = next(it.seq for it in history if isinstance(it.event, StartDecided) and it.seq > first)
    assert history[later - 1].cause == first + 1
    assert history[first].cause == first
    forged = changed(history, later, event=msgspec.structs.replace(history[later - 1].event, rule="forged"))
    assert [it.seq for it in check(forged)] == [later]
    forged = changed(forged, first, event=msgspec.structs.replace(history[first - 1].event, rule="forged"))
    assert [it.seq for it in check(forged)] == [first]


def test_a_history_that_begins_in_the_middle() -> None:
    """With the state just before it everything is as recorded; without, the gap is named."""
    history = story()
    half = next(number for number, it in enumerate(history) if it.event.kind() == "run.exited")
    assert list(check(history[half:], state=evolve_all(State(), history[:half]))) == []
    problem = f"^event {half + 1} follows what is known up to 0: begin at the start of a log file, or with the state"
    with pytest.raises(ValueError, match=problem):
        list(check(history[half:]))


def test_a_new_file_begins_with_the_state() -> None:
    """Nothing is decided there, and what follows is judged by what it carries."""
    history = story()
    half = next(number for number, it in enumerate(history) if it.event.kind() == "run.exited")
    before = evolve_all(State(), history[:half])
    opened = LogOpened(
        log_id="l", previous_file="1", previous_seq=half - 1, reason="rotated", state=msgspec.Raw(encode(before))
    )
    rest = [Recorded(half, history[half].at - 1, opened), *history[half:]]
    checked = check(rest)
    assert list(checked) == []
    assert checked.checked == decisions(history[half:])

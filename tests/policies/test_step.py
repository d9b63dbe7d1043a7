"""One turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from events.catalog import CommandReceived, Decision, LogSlow, ServiceGivenUp
from events.envelope import Draft, Recorded
from nexus.policies.check import check
from nexus.policies.step import PASSES_MAX, UnsettledError, step
from projections.state import State
from tests.given import World, asked, given_up, service

SEEN = LogSlow(append_seconds=1.0, limit_seconds=0.5)


def test_a_turn_is_what_was_seen_and_then_what_is_decided() -> None:
    """All at one moment, numbered without a gap; each decision names its cause and the head that it had seen."""
    before = World(service("web", needs={"db": "started"}), service("db")).state
    at = before.at + 5
    after, turn = step(before, [Draft(asked("up"), actor="ann", seen=at - 1), Draft(SEEN)], at)
    assert [it.seq for it in turn] == [before.seq + 1, before.seq + 2, before.seq + 3]
    assert {it.at for it in turn} == {at}
    assert turn[0] == Recorded(before.seq + 1, at, asked("up"), None, None, "ann", at - 1)
    assert isinstance(turn[2].event, Decision)
    assert (turn[2].cause, turn[2].basis) == (turn[0].seq, turn[1].seq)
    assert (after.seq, after.at) == (turn[2].seq, at)


def test_a_turn_without_need_decides_nothing() -> None:
    """What concerns nobody is recorded, and that is all."""
    _, turn = step(State(), [Draft(SEEN)], 7)
    assert [it.event for it in turn] == [SEEN]


def test_the_same_history_gives_the_same_decisions() -> None:
    """From the first event to the last, in every turn."""
    world = World(service("web", needs={"db": "started"}), service("db"))
    world.when(asked("up"))
    given_up(world, "db.1")
    assert any(isinstance(it.event, ServiceGivenUp) for it in world.history)
    assert list(check(world.history)) == []


def test_later_policies_see_what_earlier_ones_decided() -> None:
    """Within one pass, and the earlier ones see it in the next."""
    asked_at: list[int] = []

    def once(state: State) -> Iterator[Draft]:
        asked_at.append(state.seq)
        if state.seq == 1:
            yield Draft(CommandReceived(verb="up"), 1)

    step(State(), [Draft(SEEN)], 7, [once, once])
    assert asked_at == [1, 2, 2, 2]


def test_policies_without_end_are_noticed() -> None:
    """One that does not see its own decision is named by it, instead of filling the disk."""
    passes = 0

    def restless(state: State) -> Iterator[Draft]:
        nonlocal passes
        passes += 1
        yield Draft(SEEN, state.seq)

    with pytest.raises(UnsettledError, match=f"after {PASSES_MAX} passes the policies still decide: LogSlow"):
        step(State(), [Draft(SEEN)], 7, [restless])
    assert passes == PASSES_MAX

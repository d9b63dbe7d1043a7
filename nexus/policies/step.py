"""One turn: fold everything seen at one moment, then let the policies decide until nothing new is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from events.envelope import Draft, Micros, Recorded
from nexus.policies import (
    alerts,
    leases,
    limits,
    pausing,
    ports,
    prediction,
    restart,
    rolling,
    shutdown,
    signals,
    startup,
)
from projections.state import State, evolve

Policy = Callable[[State], Iterable[Draft]]
POLICIES: tuple[Policy, ...] = (
    restart.decide,
    ports.decide,
    leases.decide,
    rolling.decide,
    shutdown.decide,
    pausing.decide,
    signals.decide,
    startup.decide,
    limits.decide,
    prediction.decide,
    alerts.decide,
)
"""In this order, each seeing what the earlier ones decided."""

PASSES_MAX = 20


class UnsettledError(RuntimeError):
    """The policies go on deciding: one of them does not see what it has decided itself."""


def step(
    state: State, seen: Sequence[Draft], at: Micros, policies: Sequence[Policy] = POLICIES
) -> tuple[State, list[Recorded]]:
    """What is known after a turn, and its events: the observations, then every decision that they cause.

    All share the moment `at` (µs UTC). Raises UnsettledError when the policies do not come to an end.
    """
    turn: list[Recorded] = []
    for draft in seen:
        recorded = Recorded(state.seq + 1, at, draft.event, draft.cause, None, draft.actor, draft.seen)
        turn.append(recorded)
        state = evolve(state, recorded)
    for _ in range(PASSES_MAX):
        before = state.seq
        for policy in policies:
            state = _ask(state, at, policy, turn)
        if state.seq == before:
            return state, turn
    raise UnsettledError(f"after {PASSES_MAX} passes the policies still decide: {turn[-1].event}")


def _ask(state: State, at: Micros, policy: Policy, turn: list[Recorded]) -> State:
    basis = state.seq
    for draft in list(policy(state)):
        recorded = Recorded(state.seq + 1, at, draft.event, draft.cause, basis)
        turn.append(recorded)
        state = evolve(state, recorded)
    return state

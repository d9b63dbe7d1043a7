"""Decisions: those whose outcome is still to come."""

from __future__ import annotations

import msgspec

from events.catalog import (
    Decision,
    Effectful,
    Event,
    KillDecided,
    LeaseGranted,
    LimitsApplied,
    LimitsDecided,
    PauseDecided,
    PortChosen,
    PortHeld,
    PortRefused,
    PortReleased,
    PortReserved,
    ResumeDecided,
    RunAbandoned,
    RunAdopted,
    RunEvent,
    RunExited,
    RunRefused,
    RunStarted,
    SignalDecided,
    SignalSent,
    StartDecided,
    StopDecided,
)
from events.envelope import Position, Recorded
from projections.fold import Fold


class Decisions(msgspec.Struct, frozen=True):
    """The decisions without an outcome, by position, and how many were ever taken."""

    pending: dict[Position, Effectful] = {}
    taken: int = 0


fold: Fold[Decisions] = Fold()


@fold.on(
    StartDecided, StopDecided, KillDecided, PauseDecided, ResumeDecided, SignalDecided, LimitsDecided, PortChosen,
    LeaseGranted, PortReserved,
)  # fmt: skip
def _decided(decisions: Decisions, it: Recorded, event: Decision) -> Decisions:
    assert isinstance(event, Effectful)
    return Decisions({**decisions.pending, it.seq: event}, decisions.taken + 1)


@fold.on(PortReleased)
def _at_once(decisions: Decisions, _: Recorded, __: PortReleased) -> Decisions:
    return Decisions(decisions.pending, decisions.taken + 1)


@fold.on(RunStarted, SignalSent, LimitsApplied, PortHeld, PortRefused)
def _outcome(decisions: Decisions, it: Recorded, _: Event) -> Decisions:
    if it.cause not in decisions.pending:
        return decisions
    return Decisions({seq: event for seq, event in decisions.pending.items() if seq != it.cause}, decisions.taken)


@fold.on(RunAdopted, RunExited, RunRefused, RunAbandoned)
def _over(decisions: Decisions, _: Recorded, event: RunEvent) -> Decisions:
    """The end of a run answers everything that was still to be done with it."""
    ended = not isinstance(event, RunAdopted)
    left = {
        seq: decision
        for seq, decision in decisions.pending.items()
        if seq != event.run and not (ended and getattr(decision, "run", None) == event.run)
    }
    return decisions if len(left) == len(decisions.pending) else Decisions(left, decisions.taken)

"""Deadlines: the moments at which a decision wants to be looked at again."""

from __future__ import annotations

import msgspec

from events.catalog import (
    CommandReceived,
    DeadlineReached,
    ProbePassed,
    RestartScheduled,
    RunAbandoned,
    RunEvent,
    RunExited,
    RunRefused,
    StartDecided,
    StopDecided,
    service_of,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold


class Deadline(msgspec.Struct, frozen=True):
    """A moment, and the decision that recorded it."""

    due: Micros
    decision: Position


class Deadlines(msgspec.Struct, frozen=True):
    """Deadlines by key: `ready:web.1`, `kill:web.1`, `restart:web.1`."""

    by_key: dict[str, Deadline] = {}

    def next_due(self) -> Micros | None:
        """The earliest of them."""
        return min((deadline.due for deadline in self.by_key.values()), default=None)


fold: Fold[Deadlines] = Fold()


def _without(deadlines: Deadlines, *keys: str) -> Deadlines:
    if not any(key in deadlines.by_key for key in keys):
        return deadlines
    return Deadlines({key: deadline for key, deadline in deadlines.by_key.items() if key not in keys})


def _with(deadlines: Deadlines, it: Recorded, key: str, due: Micros) -> Deadlines:
    return Deadlines({**deadlines.by_key, key: Deadline(due, it.seq)})


@fold.on(StartDecided)
def _start(deadlines: Deadlines, it: Recorded, event: StartDecided) -> Deadlines:
    deadlines = _without(deadlines, f"restart:{event.instance}")
    return deadlines if event.ready_by is None else _with(deadlines, it, f"ready:{event.instance}", event.ready_by)


@fold.on(StopDecided)
def _stop(deadlines: Deadlines, it: Recorded, event: StopDecided) -> Deadlines:
    return _with(_without(deadlines, f"ready:{event.instance}"), it, f"kill:{event.instance}", event.kill_at)


@fold.on(RestartScheduled)
def _restart(deadlines: Deadlines, it: Recorded, event: RestartScheduled) -> Deadlines:
    return _with(deadlines, it, f"restart:{event.instance}", event.due)


@fold.on(ProbePassed)
def _ready(deadlines: Deadlines, _: Recorded, event: ProbePassed) -> Deadlines:
    return _without(deadlines, f"ready:{event.instance}")


@fold.on(RunExited, RunRefused, RunAbandoned)
def _ended(deadlines: Deadlines, _: Recorded, event: RunEvent) -> Deadlines:
    return _without(deadlines, f"ready:{event.instance}", f"kill:{event.instance}")


@fold.on(DeadlineReached)
def _reached(deadlines: Deadlines, _: Recorded, event: DeadlineReached) -> Deadlines:
    deadline = deadlines.by_key.get(event.key)
    return _without(deadlines, event.key) if deadline and deadline.due <= event.due else deadlines


@fold.on(CommandReceived)
def _asked(deadlines: Deadlines, _: Recorded, event: CommandReceived) -> Deadlines:
    """A wish ends the waiting between two tries."""
    if event.verb == "detach":
        return deadlines
    named = set(event.services)
    over = [
        key
        for key in deadlines.by_key
        if key.startswith("restart:") and (not named or service_of(key.partition(":")[2]) in named)
    ]
    return _without(deadlines, *over)

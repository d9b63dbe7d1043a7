"""Deadlines: the moments at which a decision wants to be looked at again."""

from __future__ import annotations

import msgspec

from events.catalog import (
    AlertRaised,
    AlertResolved,
    CommandReceived,
    ConfigurationLoaded,
    DeadlineReached,
    DrainDecided,
    LeaseEnded,
    LeaseReviewScheduled,
    PatternReviewScheduled,
    ProbePassed,
    RestartScheduled,
    RunAbandoned,
    RunAdopted,
    RunEvent,
    RunExited,
    RunRefused,
    StartDecided,
    StopDecided,
    service_of,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold
from projections.personal import PREFIX

PATTERN_REVIEW = "review:patterns"
"""The deadline at which what is expected is looked at again."""


class Deadline(msgspec.Struct, frozen=True):
    """A moment, the decision that recorded it, and the run that it is for, 0 for none."""

    due: Micros
    decision: Position
    run: Position = 0


class Deadlines(msgspec.Struct, frozen=True):
    """Deadlines by key: `ready:web.1`, `drain:web.1`, `kill:web.1`, `restart:web.1`, `lease:NAME`, `review:patterns`,
    and the keys of alerts.
    """

    by_key: dict[str, Deadline] = {}

    def next_due(self) -> Micros | None:
        """The earliest of them."""
        return min((deadline.due for deadline in self.by_key.values()), default=None)


fold: Fold[Deadlines] = Fold()


def _without(deadlines: Deadlines, *keys: str) -> Deadlines:
    if not any(key in deadlines.by_key for key in keys):
        return deadlines
    return Deadlines({key: deadline for key, deadline in deadlines.by_key.items() if key not in keys})


def _with(deadlines: Deadlines, it: Recorded, key: str, due: Micros, run: Position = 0) -> Deadlines:
    return Deadlines({**deadlines.by_key, key: Deadline(due, it.seq, run)})


@fold.on(StartDecided)
def _start(deadlines: Deadlines, it: Recorded, event: StartDecided) -> Deadlines:
    deadlines = _without(deadlines, f"restart:{event.instance}")
    if event.ready_by is None:
        return deadlines
    return _with(deadlines, it, f"ready:{event.instance}", event.ready_by, it.seq)


@fold.on(StopDecided)
def _stop(deadlines: Deadlines, it: Recorded, event: StopDecided) -> Deadlines:
    deadlines = _without(deadlines, f"ready:{event.instance}", f"drain:{event.instance}")
    return _with(deadlines, it, f"kill:{event.instance}", event.kill_at, event.run)


@fold.on(DrainDecided)
def _drain(deadlines: Deadlines, it: Recorded, event: DrainDecided) -> Deadlines:
    return _with(deadlines, it, f"drain:{event.instance}", event.until, event.run)


@fold.on(RestartScheduled)
def _restart(deadlines: Deadlines, it: Recorded, event: RestartScheduled) -> Deadlines:
    return _with(deadlines, it, f"restart:{event.instance}", event.due)


def _without_of(deadlines: Deadlines, run: Position, *keys: str) -> Deadlines:
    """An answer or an end that comes late concerns no later run."""
    return _without(deadlines, *(key for key in keys if key in deadlines.by_key and deadlines.by_key[key].run == run))


@fold.on(LeaseReviewScheduled)
def _review(deadlines: Deadlines, it: Recorded, event: LeaseReviewScheduled) -> Deadlines:
    return _with(deadlines, it, PREFIX + event.lease, event.due)


@fold.on(PatternReviewScheduled)
def _look_again(deadlines: Deadlines, it: Recorded, event: PatternReviewScheduled) -> Deadlines:
    return _with(deadlines, it, PATTERN_REVIEW, event.due)


@fold.on(LeaseEnded)
def _lease_ended(deadlines: Deadlines, _: Recorded, event: LeaseEnded) -> Deadlines:
    return _without(deadlines, PREFIX + event.lease)


@fold.on(RunAdopted)
def _adopted(deadlines: Deadlines, _: Recorded, event: RunAdopted) -> Deadlines:
    """What is found alive is not tried again."""
    return _without(deadlines, f"restart:{event.instance}")


@fold.on(AlertRaised)
def _raised(deadlines: Deadlines, it: Recorded, event: AlertRaised) -> Deadlines:
    return deadlines if event.again_at is None else _with(deadlines, it, event.key, event.again_at)


@fold.on(AlertResolved)
def _resolved(deadlines: Deadlines, _: Recorded, event: AlertResolved) -> Deadlines:
    return _without(deadlines, event.key)


@fold.on(ProbePassed)
def _ready(deadlines: Deadlines, _: Recorded, event: ProbePassed) -> Deadlines:
    return _without_of(deadlines, event.run, f"ready:{event.instance}")


@fold.on(RunExited, RunRefused, RunAbandoned)
def _ended(deadlines: Deadlines, _: Recorded, event: RunEvent) -> Deadlines:
    keys = (f"{purpose}:{event.instance}" for purpose in ("ready", "drain", "kill"))
    return _without_of(deadlines, event.run, *keys)


@fold.on(ConfigurationLoaded)
def _loaded(deadlines: Deadlines, _: Recorded, event: ConfigurationLoaded) -> Deadlines:
    """What is no longer declared is not tried again."""
    gone = [key for key in deadlines.by_key if key.startswith("restart:") and _service(key) not in event.services]
    return _without(deadlines, *gone)


def _service(key: str) -> str:
    return service_of(key.partition(":")[2])


@fold.on(DeadlineReached)
def _reached(deadlines: Deadlines, _: Recorded, event: DeadlineReached) -> Deadlines:
    deadline = deadlines.by_key.get(event.key)
    return _without(deadlines, event.key) if deadline and deadline.due <= event.due else deadlines


@fold.on(CommandReceived)
def _asked(deadlines: Deadlines, _: Recorded, event: CommandReceived) -> Deadlines:
    """A wish ends the waiting between two tries."""
    if event.verb not in ("up", "down", "start", "stop", "restart") or event.arguments.get("rolling"):
        return deadlines
    named = set(event.services)
    over = [key for key in deadlines.by_key if key.startswith("restart:") and (not named or _service(key) in named)]
    return _without(deadlines, *over)

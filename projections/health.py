"""Health: what the last answers of each run said."""

from __future__ import annotations

from typing import Literal

import msgspec

from events.catalog import (
    InstanceDecision,
    PauseDecided,
    ProbeFailed,
    ProbePassed,
    ResumeDecided,
    RunAbandoned,
    RunEvent,
    RunExited,
    RunRefused,
    StartDecided,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold

replace = msgspec.structs.replace
HealthStatus = Literal["unknown", "healthy", "degraded", "unhealthy", "stale"]


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """The health of one run: `detail` is the last answer that changed something."""

    run: Position
    status: HealthStatus = "unknown"
    failures: int = 0
    detail: str = ""
    since: Micros = 0
    observed_at: Micros = 0
    changed: Position = 0


class Healths(msgspec.Struct, frozen=True):
    """Health by instance; an instance without a run has none."""

    by_instance: dict[str, Health] = {}

    def status(self, instance: str) -> HealthStatus:
        """The health of an instance, unknown where nothing has been observed."""
        health = self.by_instance.get(instance)
        return health.status if health else "unknown"


fold: Fold[Healths] = Fold()


@fold.on(StartDecided)
def _began(healths: Healths, it: Recorded, event: StartDecided) -> Healths:
    return Healths({**healths.by_instance, event.instance: Health(it.seq, since=it.at, changed=it.seq)})


@fold.on(ProbePassed)
def _passed(healths: Healths, it: Recorded, event: ProbePassed) -> Healths:
    return _observed(healths, it, event, "healthy", 0, event.detail)


@fold.on(ProbeFailed)
def _failed(healths: Healths, it: Recorded, event: ProbeFailed) -> Healths:
    before = healths.by_instance.get(event.instance)
    if before is None or before.status == "unknown":
        return _observed(healths, it, event, "unknown", event.failures, event.detail)
    status: HealthStatus = "unhealthy" if event.failures >= event.limit else "degraded"
    return _observed(healths, it, event, status, event.failures, event.detail)


@fold.on(PauseDecided, ResumeDecided)
def _paused(healths: Healths, it: Recorded, event: InstanceDecision) -> Healths:
    """What stands still is not asked, and its last answer says nothing any more."""
    before = healths.by_instance.get(event.instance)
    if before is None or before.status == "unknown":
        return healths
    health = Health(before.run, "stale", 0, "it was paused", it.at, before.observed_at, it.seq)
    return Healths({**healths.by_instance, event.instance: health})


def _observed(
    healths: Healths, it: Recorded, event: RunEvent, status: HealthStatus, failures: int, detail: str
) -> Healths:
    before = healths.by_instance.get(event.instance)
    if before is None or before.run != event.run:
        return healths
    since = before.since if before.status == status else it.at
    health = Health(event.run, status, failures, detail, since, it.at, it.seq)
    return Healths({**healths.by_instance, event.instance: health})


@fold.on(RunExited, RunRefused, RunAbandoned)
def _ended(healths: Healths, _: Recorded, event: RunEvent) -> Healths:
    before = healths.by_instance.get(event.instance)
    if before is None or before.run != event.run:
        return healths
    return Healths({name: health for name, health in healths.by_instance.items() if name != event.instance})

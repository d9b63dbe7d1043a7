"""Resources: what every instance used in the last minute that was measured, and which hours of samples are sealed."""

from __future__ import annotations

import msgspec

from events.catalog import (
    Limits,
    LimitsApplied,
    LimitsDecided,
    MachineUsage,
    MemoryExceeded,
    MemoryRecovered,
    Rejected,
    ResourcesMeasured,
    RunAbandoned,
    RunEvent,
    RunExited,
    RunRefused,
    SamplesRetired,
    SamplesSealed,
    Usage,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold

replace = msgspec.structs.replace


class Limited(msgspec.Struct, frozen=True, omit_defaults=True):
    """The limits that a run was given, those that the system refused, and the last event about them."""

    run: Position
    limits: Limits
    refused: tuple[Rejected, ...] = ()
    changed: Position = 0


class Excess(msgspec.Struct, frozen=True):
    """A run that has more memory than it may have, and the event that said so."""

    run: Position
    memory_bytes: int
    changed: Position


class Resources(msgspec.Struct, frozen=True):
    """The last minute, from `since` to `at`, by instance; `sealed` are the hours of samples that are kept.

    `limited` and `excess` are about the present run of an instance.
    """

    since: Micros = 0
    at: Micros = 0
    by_instance: dict[str, Usage] = {}
    supervisor: Usage | None = None
    machine: MachineUsage = MachineUsage()
    sealed: dict[str, Position] = {}
    limited: dict[str, Limited] = {}
    excess: dict[str, Excess] = {}


fold: Fold[Resources] = Fold()


@fold.on(ResourcesMeasured)
def _measured(resources: Resources, it: Recorded, event: ResourcesMeasured) -> Resources:
    return replace(
        resources, since=event.since, at=it.at, by_instance=event.instances, supervisor=event.supervisor,
        machine=event.machine,
    )  # fmt: skip


@fold.on(SamplesSealed)
def _sealed(resources: Resources, it: Recorded, event: SamplesSealed) -> Resources:
    return replace(resources, sealed={**resources.sealed, event.file: it.seq})


@fold.on(SamplesRetired)
def _retired(resources: Resources, _: Recorded, event: SamplesRetired) -> Resources:
    return replace(resources, sealed={name: seq for name, seq in resources.sealed.items() if name != event.file})


@fold.on(LimitsDecided)
def _limited(resources: Resources, it: Recorded, event: LimitsDecided) -> Resources:
    limited = Limited(event.run, event.limits, changed=it.seq)
    return replace(resources, limited={**resources.limited, event.instance: limited})


@fold.on(LimitsApplied)
def _applied(resources: Resources, it: Recorded, event: LimitsApplied) -> Resources:
    known = resources.limited.get(event.instance)
    if known is None or known.run != event.run:
        return resources
    limited = replace(known, refused=event.refused, changed=it.seq)
    return replace(resources, limited={**resources.limited, event.instance: limited})


@fold.on(MemoryExceeded)
def _exceeded(resources: Resources, it: Recorded, event: MemoryExceeded) -> Resources:
    excess = Excess(event.run, event.memory_bytes, it.seq)
    return replace(resources, excess={**resources.excess, event.instance: excess})


@fold.on(MemoryRecovered, RunExited, RunRefused, RunAbandoned)
def _over(resources: Resources, _: Recorded, event: RunEvent) -> Resources:
    excess, limited = resources.excess.get(event.instance), resources.limited.get(event.instance)
    if excess is not None and excess.run == event.run:
        resources = replace(resources, excess={n: it for n, it in resources.excess.items() if n != event.instance})
    if limited is not None and limited.run == event.run and not isinstance(event, MemoryRecovered):
        resources = replace(resources, limited={n: it for n, it in resources.limited.items() if n != event.instance})
    return resources

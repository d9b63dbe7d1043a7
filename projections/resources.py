"""Resources: what every instance used in the last minute that was measured, and which hours of samples are sealed."""

from __future__ import annotations

import msgspec

from events.catalog import MachineUsage, ResourcesMeasured, SamplesRetired, SamplesSealed, Usage
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold

replace = msgspec.structs.replace


class Resources(msgspec.Struct, frozen=True):
    """The last minute, from `since` to `at`, by instance; `sealed` are the hours of samples that are kept."""

    since: Micros = 0
    at: Micros = 0
    by_instance: dict[str, Usage] = {}
    supervisor: Usage | None = None
    machine: MachineUsage = MachineUsage()
    sealed: dict[str, Position] = {}


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

"""What a run may use: set once its process exists, and again when something else is declared while it runs."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import Limits, LimitsDecided, Rejected, Value
from events.envelope import Draft
from projections.resources import Excess
from projections.services import Instance
from projections.state import State

UNLIMITED = Limits()
ALIVE = ("starting", "running", "paused")


def decide(state: State) -> Iterator[Draft]:
    """Limit each run that is not limited as its service declares."""
    known = state.resources.limited
    limited = {name for name, it in state.services.declared.items() if it.limits != UNLIMITED}
    for instance in state.services.instances.values() if limited or known else ():
        if (instance.service in limited or instance.name in known) and instance.pid and instance.state in ALIVE:
            before = known.get(instance.name)
            was = before.limits if before and before.run == instance.run else UNLIMITED
            declared = state.services.declared.get(instance.service)
            wanted = declared.limits if declared else was
            if was != wanted:
                yield Draft(_decision(instance, was, wanted), max(instance.changed, state.leases.declared_by))


def _decision(instance: Instance, was: Limits, wanted: Limits) -> LimitsDecided:
    values: dict[str, Value] = {"priority": wanted.priority}
    if wanted.cpus:
        values["cpus"] = ", ".join(map(str, wanted.cpus))
    values |= {
        name: value
        for name, value in (("open_files", wanted.open_files), ("processes", wanted.processes))
        if value is not None
    }
    rejected = () if was == UNLIMITED else (Rejected("start it anew", "its limits can be changed while it runs"),)
    return LimitsDecided(
        instance=instance.name, run=instance.run, pid=instance.pid, limits=wanted, rule="limits.declared",
        values=values, rejected=rejected,
    )  # fmt: skip


def exceeds(state: State, instance: Instance) -> Excess | None:
    """The excess of a run over the memory that its service may have now, if there is any."""
    excess = state.resources.excess.get(instance.name)
    declared = state.services.declared.get(instance.service)
    if excess is None or excess.run != instance.run or declared is None or declared.memory is None:
        return None
    return excess if excess.memory_bytes > declared.memory.max_bytes else None


def mib(size_bytes: int) -> str:
    """`512 MiB`."""
    return f"{size_bytes / (1 << 20):.0f} MiB"

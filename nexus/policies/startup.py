"""When an instance starts: it is wanted, what it needs is there, its ports are held, and no delay is running."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import Rejected, Service, StartDecided, Value
from events.envelope import Draft, Position
from projections.conditions import Loss, instances_of, leases_of, lost, unmet
from projections.services import Instance
from projections.state import State


def decide(state: State) -> Iterator[Draft]:
    """Start every instance that may start now."""
    if state.supervisor.going:
        return
    losses = lost(state)
    for instance in state.services.instances.values():
        if instance.state == "waiting" and _may_start(state, instance, losses):
            declared = state.services.declared[instance.service]
            yield Draft(_start(state, instance, declared), _cause(state, instance, declared))


def _may_start(state: State, instance: Instance, losses: dict[str, Loss]) -> bool:
    return (
        instance.wanted
        and not instance.run
        and not instance.delayed
        and not unmet(state, instance, losses)
        and all(lease is not None and lease.ready for _, lease in leases_of(state, instance))
    )


def _start(state: State, instance: Instance, declared: Service) -> StartDecided:
    ports = {name: lease.port for name, lease in leases_of(state, instance) if lease}
    values: dict[str, Value] = {"wanted": True, **declared.depends_on}
    values |= {f"port {name}": port for name, port in ports.items()}
    rejected: tuple[Rejected, ...] = ()
    if instance.failures:
        values |= {"problem": instance.problem, "attempt": instance.failures, "tries": declared.restart.tries}
        rejected = (
            Rejected("leave it down", f"try {instance.failures} of {declared.restart.tries} was still to be made"),
        )
    ready_by = None
    if declared.probe is not None:
        ready_by = state.at + int(declared.start_timeout_seconds * 1_000_000)
    return StartDecided(
        instance=instance.name, attempt=instance.failures, ports=ports, ready_by=ready_by,
        rule="restart.ladder" if instance.failures else "startup.wanted", values=values, rejected=rejected,
    )  # fmt: skip


def _cause(state: State, instance: Instance, declared: Service) -> Position:
    """The event that removed the last obstacle."""
    needed = [one.changed for name in declared.depends_on for one in instances_of(state, name)]
    leased = [lease.changed for _, lease in leases_of(state, instance) if lease]
    return max(instance.changed, *needed, *leased) if needed or leased else instance.changed

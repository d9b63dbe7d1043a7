"""Questions about the state that policies ask and people read: is a dependency met, what is waited for."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from events.catalog import Condition, service_of
from events.envelope import Position
from projections.dependencies import Dependencies
from projections.leases import Lease, lease_name
from projections.services import Instance, Services
from projections.state import State

ALIVE = ("starting", "running", "paused", "stopping")
INTERNAL = "internal"
"""The category of services that are part of Nexus itself: they stop last and are not listed with the others."""

API, GATEWAY, GUIDE = "nexus-api", "nexus-gateway", "nexus-guide"
"""The services that are part of Nexus: the web API, the gateway, and the guide that tells it who is there."""


def instances_of(state: State, service: str) -> list[Instance]:
    """The instances of a service, the undeclared ones that still run included."""
    return [instance for instance in state.services.instances.values() if instance.service == service]


def is_internal(state: State, service: str) -> bool:
    """Whether a service is part of Nexus itself."""
    declared = state.services.declared.get(service)
    return declared is not None and declared.category == INTERNAL


def met(state: State, service: str, condition: Condition) -> bool:
    """Whether at least one instance of `service` fulfils the condition."""
    return any(_fulfils(state, instance, condition) for instance in instances_of(state, service))


def _fulfils(state: State, instance: Instance, condition: Condition) -> bool:
    if condition == "completed":
        return instance.state == "completed"
    if condition == "started":
        return instance.state in ("starting", "running") and instance.pid > 0
    unwell = state.health.status(instance.name) == "unhealthy"
    return instance.state == "running" and not instance.draining and not unwell


class Loss(msgspec.Struct, frozen=True):
    """Why nobody may rely on a service any longer, in words that follow `which`, and the event that made it so."""

    why: str
    cause: Position


_last: tuple[Services, Dependencies, dict[str, Loss]] = (Services(), Dependencies(), {})


def lost(state: State) -> dict[str, Loss]:
    """The services that nobody may rely on any longer: given up, not wanted, or in need of one of those."""
    global _last
    services, dependencies, found = _last
    if services is not state.services or dependencies is not state.dependencies:
        # Remembered because each policy asks, mostly about the same services.
        found = _lost(state)
        _last = state.services, state.dependencies, found
    return found


def _lost(state: State) -> dict[str, Loss]:
    instances = state.services.instances.values()
    there = {instance.service for instance in instances if instance.wanted and instance.state != "failed"}
    down: dict[str, list[Instance]] = {}
    for instance in instances:
        if instance.service not in there:
            down.setdefault(instance.service, []).append(instance)
    found = {name: loss for name, them in down.items() if (loss := _loss(state, name, them))}
    for name in state.dependencies.order if found else ():
        for needed, condition in state.dependencies.needs[name].items():
            if name not in found and condition != "completed" and needed in found:
                found[name] = Loss(f"needs {needed}, which {found[needed].why}", found[needed].cause)
    return found


def _loss(state: State, service: str, instances: list[Instance]) -> Loss | None:
    """The loss of a service none of whose instances is both wanted and not given up."""
    cause = max(instance.changed for instance in instances)
    if not any(instance.wanted for instance in instances):
        return Loss("is not wanted any more", cause)
    declared = state.services.declared.get(service)
    return Loss("was given up", cause) if declared is None or declared.restart.stop_dependents else None


def unmet(state: State, instance: Instance, losses: dict[str, Loss] | None = None) -> list[tuple[str, Condition]]:
    """The dependencies that keep an instance from starting; one that is lost does, even while it still runs."""
    declared = state.services.declared.get(instance.service)
    needs = declared.depends_on if declared else {}
    losses = lost(state) if losses is None else losses
    return [
        (name, condition)
        for name, condition in needs.items()
        if not met(state, name, condition) or (condition != "completed" and name in losses)
    ]


def dependents_alive(state: State, service: str) -> list[Instance]:
    """The live instances of the services that need `service`."""
    return [
        instance
        for name in state.dependencies.needed_by.get(service, ())
        for instance in instances_of(state, name)
        if instance.run
    ]


def leases_of(state: State, instance: Instance) -> Iterator[tuple[str, Lease | None]]:
    """The ports that an instance needs, by name, with the lease of each where there is one."""
    declared = state.services.declared.get(instance.service)
    for request in declared.ports if declared else ():
        yield request.name, state.leases.by_name.get(lease_name(instance.name, request.name))


def waits_for(state: State, instance: Instance) -> str:
    """What an instance that is not where it is wanted waits for, in words; empty when for nothing."""
    if instance.state == "waiting":
        return _waits_to_start(state, instance)
    if instance.state == "starting":
        health = state.health.by_instance.get(instance.name)
        return f"its first good answer ({health.detail})" if health and health.detail else "its first good answer"
    if instance.state == "running" and instance.draining:
        return "requests under way to end"
    if instance.state == "running" and not instance.wanted:
        names = ", ".join(one.name for one in dependents_alive(state, instance.service))
        return f"{names} to end first" if names else "its turn to stop"
    if instance.state == "stopping":
        return "the end of its processes, killed" if instance.killed else "the end of its processes"
    return ""


def _waits_to_start(state: State, instance: Instance) -> str:
    losses = lost(state)
    missing = unmet(state, instance, losses)
    if missing:
        return "; ".join(_missing(losses, name, condition) for name, condition in missing)
    if instance.delayed:
        return f"its next try, number {instance.answered}"
    if not all(lease and lease.ready for _, lease in leases_of(state, instance)):
        return "its port"
    return "its start"


def _missing(losses: dict[str, Loss], name: str, condition: Condition) -> str:
    return f"{name}, which {losses[name].why}" if name in losses else f"{name} to be {condition}"


def settled(state: State) -> bool:
    """Whether nothing will change by itself: each wanted instance is well, done, given up, or waits for one that is."""
    return all(_settled(state, instance) for instance in state.services.instances.values())


def _settled(state: State, instance: Instance) -> bool:
    if instance.rolling or instance.signal:
        return False
    if not instance.wanted:
        return not instance.run
    if instance.state in ("completed", "failed"):
        return True
    if instance.state == "running":
        return not instance.paused
    if instance.state == "paused":
        return instance.paused
    return instance.state == "waiting" and any(_hopeless(state, name) for name, _ in unmet(state, instance))


def _hopeless(state: State, service: str) -> bool:
    return all(
        instance.state in ("failed", "stopped", "declared", "completed")
        or (instance.state == "waiting" and any(_hopeless(state, name) for name, _ in unmet(state, instance)))
        for instance in instances_of(state, service)
    )


def insisted_on(state: State, lease: Lease) -> str:
    """The lease that insists on the number of another, which may move; empty where none does."""
    other = state.leases.fixed.get(lease.port, lease.name)
    if other == lease.name:
        return ""
    declared = state.services.declared.get(service_of(lease.holder))
    own = (it for it in (declared.ports if declared else ()) if lease_name(lease.holder, it.name) == lease.name)
    return "" if any(it.fixed == lease.port for it in own) else other

"""When a run ends: because it is not wanted, because it failed us, or because what it needs is lost."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from events.catalog import KillDecided, Rejected, ShutdownCompleted, StopDecided, Value
from events.envelope import Draft, Position
from nexus.policies.draining import drain, drained, drains_first
from nexus.policies.limits import exceeds, mib
from projections.conditions import Loss, dependents_alive, insisted_on, instances_of, is_internal, lost
from projections.leases import lease_name
from projections.services import Instance
from projections.state import State


class Reason(msgspec.Struct, frozen=True):
    """Why a run is to end; `failure` counts against it, `urgent` does not wait for its dependents."""

    rule: str
    cause: Position
    values: dict[str, Value] = {}
    failure: str = ""
    urgent: bool = False
    rejected: tuple[Rejected, ...] = ()


def decide(state: State) -> Iterator[Draft]:
    """Stop what is to end, dependents first; kill what ignores it; finish when all is done."""
    losses = lost(state)
    quiet = _undisturbed(state, losses)
    for instance in state.services.instances.values():
        if instance.name in quiet:
            continue
        if instance.state in ("starting", "running", "paused"):
            reason = _why_stop(state, instance, losses)
            if reason and (reason.urgent or not _waits(state, instance, losses)):
                yield from _end(state, instance, reason)
        elif instance.state == "stopping" and not instance.killed and _overdue(state, instance, "kill"):
            yield Draft(_kill(state, instance), instance.changed)
    yield from _finish(state)


def _end(state: State, instance: Instance, reason: Reason) -> Iterator[Draft]:
    """Ask a run to end; one that somebody may be with is drained first."""
    if not instance.draining and drains_first(state, instance):
        yield Draft(drain(state, instance, reason.rule, reason.values), reason.cause)
    elif not instance.draining or reason.failure or drained(state, instance):
        yield Draft(_stop(state, instance, reason), max(reason.cause, instance.changed))


def _waits(state: State, instance: Instance, losses: dict[str, Loss]) -> bool:
    """Whether others end first; a replica that is one too many waits for nobody."""
    if state.supervisor.going and is_internal(state, instance.service):
        runs = state.services.runs.values()
        return any(not is_internal(state, state.services.instances[name].service) for name in runs)
    return instance.service in losses and bool(dependents_alive(state, instance.service))


def _overdue(state: State, instance: Instance, purpose: str) -> bool:
    return f"{purpose}:{instance.name}" not in state.deadlines.by_key


def _undisturbed(state: State, losses: dict[str, Loss]) -> set[str]:
    """Most runs have no reason to end, and that is seen at a glance."""
    unwell = {name for name, health in state.health.by_instance.items() if health.status == "unhealthy"}
    moved = {lease.holder for lease in state.leases.by_name.values() if insisted_on(state, lease)}
    return {
        it.name
        for it in state.services.instances.values()
        if it.state == "running" and it.wanted and not it.bounce and not it.draining and it.service not in losses
        and it.name not in unwell and it.name not in moved and it.name not in state.resources.excess
    }  # fmt: skip


def _why_stop(state: State, instance: Instance, losses: dict[str, Loss]) -> Reason | None:
    """The first reason that there is, those of somebody's wish before those of health."""
    if instance.service not in state.services.declared:
        return Reason("shutdown.undeclared", _latest(state, instance), {"why": "nexus.toml no longer has it"})
    if not instance.wanted:
        rule = "shutdown.down" if state.supervisor.going else "shutdown.asked"
        return Reason(rule, _latest(state, instance))
    if instance.bounce:
        return Reason("restart.asked", instance.changed, {"why": instance.bounce}, urgent=True)
    why = (
        _why_failed(state, instance)
        or _why_too_large(state, instance)
        or _why_lost(state, instance, losses)
        or _why_moved(state, instance)
    )
    if why is None and instance.draining:
        return Reason("gateway.drained", instance.changed, {"why": "nobody is led to it any more"}, urgent=True)
    return why


def _latest(state: State, instance: Instance) -> Position:
    """What made it possible: the wish, or the end of the last dependent."""
    dependents = state.dependencies.needed_by.get(instance.service, ())
    ends = [one.changed for name in dependents for one in instances_of(state, name)]
    return max([instance.changed, *ends])


def _why_failed(state: State, instance: Instance) -> Reason | None:
    declared = state.services.declared[instance.service]
    health = state.health.by_instance.get(instance.name)
    if instance.state == "starting" and declared.probe and _overdue(state, instance, "ready"):
        answer = health.detail if health and health.detail else "no answer"
        failure = f"was not ready within {declared.start_timeout_seconds:g} s: {answer}"
        values: dict[str, Value] = {"start_timeout_seconds": declared.start_timeout_seconds, "last answer": answer}
        more = Rejected("wait longer", f"start_timeout is {declared.start_timeout_seconds:g} s")
        return Reason("startup.timeout", instance.changed, values, failure, True, (more,))
    if instance.state == "running" and health and health.status == "unhealthy" and declared.restart.on_unhealthy:
        values = {"failures": health.failures, "last answer": health.detail}
        keep = Rejected("leave it running", f"{health.failures} checks in a row failed")
        return Reason("health.unhealthy", health.changed, values, f"is unhealthy: {health.detail}", True, (keep,))
    return None


def _why_too_large(state: State, instance: Instance) -> Reason | None:
    memory, excess = state.services.declared[instance.service].memory, exceeds(state, instance)
    if excess is None or memory is None or memory.then != "restart" or instance.state == "paused":
        return None
    failure = f"used {mib(excess.memory_bytes)} of memory, more than its {mib(memory.max_bytes)}"
    values: dict[str, Value] = {"memory_bytes": excess.memory_bytes, "memory_max_bytes": memory.max_bytes}
    keep = Rejected("only alert", "its memory_max says restart")
    return Reason("resources.memory", excess.changed, values, failure, True, (keep,))


def _why_lost(state: State, instance: Instance, losses: dict[str, Loss]) -> Reason | None:
    for name, condition in state.services.declared[instance.service].depends_on.items():
        if condition != "completed" and name in losses:
            why, cause = losses[name].why, max(losses[name].cause, _latest(state, instance))
            keep = Rejected("leave it running", f"it needs {name}, which {why}")
            return Reason("dependency.lost", cause, {name: why}, rejected=(keep,))
    return None


def _why_moved(state: State, instance: Instance) -> Reason | None:
    """A port that another service insists on is given up by the one that was merely given it."""
    for name, port in instance.ports.items():
        lease = state.leases.by_name.get(lease_name(instance.name, name))
        other = insisted_on(state, lease) if lease else ""
        if other:
            keep = Rejected("let the other wait", f"nexus.toml asks for {port} for {other}, and this one may move")
            cause = max(instance.changed, state.leases.declared_by)
            return Reason("ports.asked_for", cause, {"port": port, "for": other}, urgent=True, rejected=(keep,))
    return None


def _stop(state: State, instance: Instance, reason: Reason) -> StopDecided:
    declared = state.services.declared.get(instance.service)
    grace_seconds = declared.stop_timeout_seconds if declared else 10.0
    return StopDecided(
        instance=instance.name, run=instance.run, signal=declared.stop_signal if declared else "TERM",
        kill_at=state.at + int(grace_seconds * 1_000_000), failure=reason.failure, rule=reason.rule,
        values={**reason.values, "grace_seconds": grace_seconds}, rejected=reason.rejected,
        paused=instance.state == "paused",
    )  # fmt: skip


def _kill(state: State, instance: Instance) -> KillDecided:
    declared = state.services.declared.get(instance.service)
    grace_seconds = declared.stop_timeout_seconds if declared else 10.0
    return KillDecided(
        instance=instance.name, run=instance.run, rule="shutdown.grace", values={"grace_seconds": grace_seconds},
        rejected=(Rejected("wait longer", f"it was asked to end and had {grace_seconds:g} s"),),
    )  # fmt: skip


def _finish(state: State) -> Iterator[Draft]:
    supervisor = state.supervisor
    if not supervisor.going or supervisor.gone:
        return
    if supervisor.going == "detach" or not state.services.runs:
        ended = max([supervisor.asked, *(one.changed for one in state.services.instances.values())])
        left: dict[str, Value] = {"left running": len(state.services.runs)}
        yield Draft(ShutdownCompleted(rule=f"shutdown.{supervisor.going}", values=left), ended)

"""What somebody ought to know: raised while it holds, resolved when it is over."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import AlertRaised, AlertResolved
from events.envelope import Draft, Position
from nexus.policies.allocation import REFUSAL_SECONDS, Ground, choose
from nexus.policies.concerns import Concern, of_endpoints
from nexus.policies.ports import ends, wish_of
from nexus.policies.pressure import of_resources
from projections.conditions import Loss, instances_of, lost
from projections.dependencies import with_needs
from projections.health import Health
from projections.leases import lease_name
from projections.services import FAILURES_KEPT, Instance
from projections.state import State

FLAPPING_SECONDS = 600


def decide(state: State) -> Iterator[Draft]:
    """Raise an alert for each new concern, and resolve those whose concern is gone."""
    found: dict[str, tuple[str, Concern]] = {key: (name, it) for key, name, it in of_endpoints(state)}
    losses = lost(state)
    unwell = {name: it for name, it in state.health.by_instance.items() if it.status == "unhealthy"}
    pressed = state.resources.excess.keys() | state.resources.limited.keys()
    recent = state.at - FLAPPING_SECONDS * 1_000_000
    for instance in state.services.instances.values():
        # Most instances are no concern, and that is seen at a glance.
        flapping = len(instance.failed_at) == FAILURES_KEPT and instance.failed_at[0] > recent
        if flapping or instance.state in ("failed", "waiting") or instance.name in unwell or instance.name in pressed:
            for what, concern in _concerns(state, instance, losses, unwell.get(instance.name)):
                found[f"{what}:{instance.name}"] = (instance.service, concern)
    for key, (service, concern) in found.items():
        if key not in state.alerts.active or (concern.again_at and key not in state.deadlines.by_key):
            raised = AlertRaised(
                key=key, severity=concern.severity, subject=f"service/{service}", message=concern.message,
                advice=concern.advice, again_at=concern.again_at, rule=concern.rule, values=concern.values,
            )  # fmt: skip
            yield Draft(raised, concern.cause)
    for key, alert in state.alerts.active.items():
        if key not in found:
            over = AlertResolved(
                key=key, subject=alert.subject, rule="alerts.over", values={"was": alert.message, "since": alert.since}
            )  # fmt: skip
            yield Draft(over, _over(state, key, alert.decision))


def _over(state: State, key: str, raised: Position) -> Position:
    """The last event that concerned the instance or what it needs, through others too; the alert where it is gone."""
    instance = state.services.instances.get(key.partition(":")[2])
    if instance is None:
        return max([raised, *_offered(state, key.partition(":")[2])])
    health = state.health.by_instance.get(instance.name)
    services = with_needs(state.services.declared, [instance.service])
    needed = [one.changed for name in services for one in instances_of(state, name)]
    return max(instance.changed, health.changed if health else 0, raised, *needed)


def _offered(state: State, services: str) -> Iterator[Position]:
    """The last events that changed what the services of an alert's key offer: `web`, `api+web`, `web:412`."""
    for name in services.partition(":")[0].split("+"):
        interface = state.endpoints.by_service.get(name)
        yield from (it.changed for it in interface.sources.values()) if interface else ()


def _concerns(
    state: State, instance: Instance, losses: dict[str, Loss], unwell: Health | None
) -> Iterator[tuple[str, Concern]]:
    name = instance.service
    if instance.state == "failed":
        yield "given_up", Concern(
            "critical", f"{instance.name} is down: it {instance.problem}{_tries(instance)}",
            f"see `nexus logs {name}`, mend it, then `nexus start {name}`",
            instance.changed, "alerts.given_up", {"problem": instance.problem, "failures": instance.failures},
        )  # fmt: skip
    if instance.state == "waiting":
        yield from _stopped_by_dependency(state, instance, losses)
        yield from _without_port(state, instance)
    if unwell and instance.state == "running":
        yield "unhealthy", Concern(
            "warning", f"{instance.name} is unhealthy: {unwell.detail}", f"see `nexus logs {name}`",
            unwell.changed, "alerts.unhealthy", {"failures": unwell.failures, "last answer": unwell.detail},
        )  # fmt: skip
    yield from _flapping(state, instance)
    yield from of_resources(state, instance)


def _tries(instance: Instance) -> str:
    tries = instance.failures - 1
    return f", and {tries} tr{'y' if tries == 1 else 'ies'} did not help" if tries > 0 else ""


def _stopped_by_dependency(state: State, instance: Instance, losses: dict[str, Loss]) -> Iterator[tuple[str, Concern]]:
    declared = state.services.declared.get(instance.service)
    for needed in declared.depends_on if declared else ():
        loss = losses.get(needed)
        if loss and loss.why.endswith("was given up"):
            yield "stopped", Concern(
                "warning", f"{instance.name} is stopped: it needs {needed}, which {loss.why}",
                f"it comes back by itself once {needed} is healthy", max(loss.cause, instance.changed),
                "alerts.dependency_lost", {"needs": needed},
            )  # fmt: skip
            return


def _without_port(state: State, instance: Instance) -> Iterator[tuple[str, Concern]]:
    for request in state.services.declared[instance.service].ports:
        name = lease_name(instance.name, request.name)
        lease = state.leases.by_name.get(name)
        if request.fixed or (lease is not None and lease.state in ("held", "idle")):
            continue
        wish = wish_of(state, instance, request, lease)
        if choose(Ground(state, state.leases.taken()), wish, REFUSAL_SECONDS) is None:
            first, last = ends(state, request)
            pool = f"{first}-{last}"
            yield "no_port", Concern(
                "critical", f"{instance.name} waits for a port: none is free in {pool}",
                "widen the pool of ports in nexus.toml, or end what uses them: `nexus ports`",
                instance.changed, "alerts.no_port", {"port": request.name, "pool": pool},
            )  # fmt: skip
            return


def _flapping(state: State, instance: Instance) -> Iterator[tuple[str, Concern]]:
    failed_at, within = instance.failed_at, FLAPPING_SECONDS * 1_000_000
    if len(failed_at) == FAILURES_KEPT and state.at - failed_at[0] < within:
        yield "flapping", Concern(
            "warning", f"{instance.name} failed {FAILURES_KEPT} times within {FLAPPING_SECONDS // 60} minutes",
            f"its last problem: it {instance.problem}; see `nexus logs {instance.service}`", instance.changed,
            "alerts.flapping", {"failures": FAILURES_KEPT, "within_seconds": FLAPPING_SECONDS}, failed_at[0] + within,
        )  # fmt: skip

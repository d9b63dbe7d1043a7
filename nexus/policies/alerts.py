"""What somebody ought to know: raised while it holds, resolved when it is over."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from events.catalog import AlertRaised, AlertResolved, Severity, Value
from events.envelope import Draft, Position
from projections.conditions import Loss, lost
from projections.health import Health
from projections.services import FAILURES_KEPT, Instance
from projections.state import State

FLAPPING_SECONDS = 600


class Concern(msgspec.Struct, frozen=True):
    """A reason for an alert, as the state shows it."""

    severity: Severity
    message: str
    advice: str
    cause: Position
    rule: str
    values: dict[str, Value] = {}


def decide(state: State) -> Iterator[Draft]:
    """Raise an alert for each new concern and resolve those whose concern is gone."""
    found: dict[str, tuple[Instance, Concern]] = {}
    losses = lost(state)
    for instance in state.services.instances.values():
        flapping = _flapping(state, instance)
        if flapping or instance.state in ("failed", "waiting") or _unwell(state, instance):
            for what, concern in _concerns(state, instance, losses, flapping):
                found[f"{what}:{instance.name}"] = (instance, concern)
    for key, (instance, concern) in found.items():
        if key not in state.alerts.active:
            raised = AlertRaised(
                key=key, severity=concern.severity, subject=f"service/{instance.service}", message=concern.message,
                advice=concern.advice, rule=concern.rule, values=concern.values,
            )  # fmt: skip
            yield Draft(raised, concern.cause)
    for key, alert in state.alerts.active.items():
        if key not in found:
            over = AlertResolved(
                key=key, subject=alert.subject, rule="alerts.over", values={"was": alert.message, "since": alert.since}
            )  # fmt: skip
            yield Draft(over, _over(state, key, alert.decision))


def _over(state: State, key: str, raised: Position) -> Position:
    """The last event that concerned the instance ended the alert; where it is gone, the alert itself is named."""
    instance = state.services.instances.get(key.partition(":")[2])
    health = state.health.by_instance.get(key.partition(":")[2])
    return max(instance.changed if instance else 0, health.changed if health else 0, raised)


def _concerns(
    state: State, instance: Instance, losses: dict[str, Loss], flapping: bool
) -> Iterator[tuple[str, Concern]]:
    name = instance.service
    if instance.state == "failed":
        yield "given_up", Concern(
            "critical", f"{instance.name} is down: it {instance.problem}{_tries(instance)}",
            f"see `nexus logs {name}`, mend it, then `nexus start {name}`",
            instance.changed, "alerts.given_up", {"problem": instance.problem, "failures": instance.failures},
        )  # fmt: skip
    if instance.wanted and instance.state == "waiting":
        yield from _stopped_by_dependency(state, instance, losses)
    health = _unwell(state, instance)
    if health and instance.state == "running":
        yield "unhealthy", Concern(
            "warning", f"{instance.name} is unhealthy: {health.detail}", f"see `nexus logs {name}`",
            health.changed, "alerts.unhealthy", {"failures": health.failures, "last answer": health.detail},
        )  # fmt: skip
    if flapping:
        yield "flapping", Concern(
            "warning", f"{instance.name} failed {FAILURES_KEPT} times within {FLAPPING_SECONDS // 60} minutes",
            f"its last problem: it {instance.problem}; see `nexus logs {name}`",
            instance.changed, "alerts.flapping", {"failures": FAILURES_KEPT, "within_seconds": FLAPPING_SECONDS},
        )  # fmt: skip


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


def _unwell(state: State, instance: Instance) -> Health | None:
    health = state.health.by_instance.get(instance.name)
    return health if health and health.status == "unhealthy" else None


def _flapping(state: State, instance: Instance) -> bool:
    failed_at = instance.failed_at
    return len(failed_at) >= FAILURES_KEPT and state.at - failed_at[0] <= FLAPPING_SECONDS * 1_000_000

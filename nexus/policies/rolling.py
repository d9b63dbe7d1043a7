"""Rolling restarts: one instance after the other, each once all others are well; a failure leaves the rest as it is."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import Rejected, RollingRestartEnded, RollingRestartStepped
from events.envelope import Draft
from projections.conditions import instances_of
from projections.services import Instance, Rollout
from projections.state import State


def decide(state: State) -> Iterator[Draft]:
    """Replace the next run, or end; wait while an instance is on its way."""
    if state.supervisor.going:
        return
    for service, rollout in state.services.rollouts.items():
        if not rollout.over:
            yield from _go_on(state, service, rollout)


def _go_on(state: State, service: str, rollout: Rollout) -> Iterator[Draft]:
    instances = [it for it in instances_of(state, service) if it.wanted]
    left = [it for it in instances if it.rolling]
    cause = max((rollout.asked, *(max(it.changed, _health_changed(state, it)) for it in instances)))
    broken = next(
        (it for it in instances if it.state == "failed" or (it.name in rollout.stepped and it.failures)), None
    )
    if broken:
        problem = f"{broken.name} {broken.problem or 'is not well'}"
        kept = ", ".join(it.name for it in left)
        rejected = (Rejected("replace the others too", f"{kept} would fail as well"),) if kept else ()
        yield Draft(_ended(service, rollout, len(left), problem, rejected), cause)
    elif not left and all(_is_well(state, it) for it in instances):
        yield Draft(_ended(service, rollout, 0), cause)
    elif left and all(_is_well(state, it) for it in instances):
        first = left[0]
        others = tuple(Rejected(f"replace {it.name} now", "one at a time, so that the others serve") for it in left[1:])
        stepped = RollingRestartStepped(
            instance=first.name, run=first.run, rule="rolling.next", rejected=others,
            values={"replaced": len(rollout.stepped), "left": len(left)},
        )  # fmt: skip
        yield Draft(stepped, cause)


def _health_changed(state: State, instance: Instance) -> int:
    health = state.health.by_instance.get(instance.name)
    return health.changed if health else 0


def _is_well(state: State, instance: Instance) -> bool:
    """Whether it serves, or stands still because somebody wants it to."""
    if instance.bounce:
        return False
    if instance.state == "running":
        return state.health.status(instance.name) in ("healthy", "unknown")
    return instance.state in ("paused", "completed")


def _ended(
    service: str, rollout: Rollout, left: int, problem: str = "", rejected: tuple[Rejected, ...] = ()
) -> RollingRestartEnded:
    return RollingRestartEnded(
        service=service, problem=problem, rule="rolling.broken" if problem else "rolling.done", rejected=rejected,
        values={"replaced": len(rollout.stepped), "left": left},
    )  # fmt: skip

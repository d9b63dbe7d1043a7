"""What comes before a run is asked to end: nobody is led to it any more, and who is with it may finish."""

from __future__ import annotations

from events.catalog import DrainDecided, Rejected, Value
from projections.conditions import GATEWAY
from projections.routes import upstreams
from projections.services import Instance
from projections.state import State


def drains_first(state: State, instance: Instance) -> bool:
    """Whether somebody may be with a run: the gateway leads to it, and not everything is to end."""
    gateway = state.services.instances.get(f"{GATEWAY}.1")
    if gateway is None or gateway.state != "running" or state.supervisor.going:
        return False
    return any(it.instance == instance.name for it in upstreams(state, instance.service))


def drained(state: State, instance: Instance) -> bool:
    """Whether a run that is drained may be asked to end: everybody has finished, or has had time to."""
    return instance.drained or f"drain:{instance.name}" not in state.deadlines.by_key


def drain(state: State, instance: Instance, rule: str, values: dict[str, Value]) -> DrainDecided:
    """Lead nobody to a run any more, which is going to end for that rule."""
    declared = state.services.declared[instance.service]
    seconds = declared.gateway.drain_seconds
    return DrainDecided(
        instance=instance.name, run=instance.run, until=state.at + int(seconds * 1_000_000), rule=rule,
        values={**values, "drain_seconds": seconds},
        rejected=(Rejected("stop it at once", "the gateway leads to it, and a request may be under way"),),
    )  # fmt: skip

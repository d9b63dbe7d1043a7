"""Reasons for alerts that lie in what a run uses, or may not be kept from using."""

from __future__ import annotations

from collections.abc import Iterator

from nexus.policies.concerns import Concern
from nexus.policies.limits import exceeds, mib
from projections.services import Instance
from projections.state import State


def of_resources(state: State, instance: Instance) -> Iterator[tuple[str, Concern]]:
    """What an instance uses in excess, and limits that the system refused."""
    memory = state.services.declared[instance.service].memory if instance.service in state.services.declared else None
    if memory and (excess := exceeds(state, instance)) and memory.then == "alert":
        yield "memory", Concern(
            "warning",
            f"{instance.name} uses {mib(excess.memory_bytes)} of memory, more than its {mib(memory.max_bytes)}",
            f"see `nexus resources {instance.service}`; `then = \"restart\"` would restart it", excess.changed,
            "alerts.memory", {"memory_bytes": excess.memory_bytes, "memory_max_bytes": memory.max_bytes},
        )  # fmt: skip
    limited = state.resources.limited.get(instance.name)
    if limited and limited.run == instance.run and limited.refused:
        refused = "; ".join(f"{it.option}: {it.reason}" for it in limited.refused)
        yield "limits", Concern(
            "info", f"not all limits of {instance.name} could be set: {refused}",
            "run nexus with the rights that this needs, or leave the limit out", limited.changed, "alerts.limits",
            {it.option: it.reason for it in limited.refused},
        )  # fmt: skip

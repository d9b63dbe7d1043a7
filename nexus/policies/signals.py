"""Which signals are sent that do not ask to end: those that somebody asked for, to what runs."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import SignalDecided
from events.envelope import Draft
from projections.state import State


def decide(state: State) -> Iterator[Draft]:
    """Send each signal that is asked for once, when the run has its process."""
    for instance in state.services.instances.values():
        if instance.signal and instance.pid and instance.state in ("starting", "running", "paused"):
            decided = SignalDecided(
                instance=instance.name, run=instance.run, signal=instance.signal, rule="signals.asked",
                values={"pid": instance.pid},
            )  # fmt: skip
            yield Draft(decided, instance.changed)

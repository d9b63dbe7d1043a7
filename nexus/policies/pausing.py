"""When a run stands still, and when it goes on: as somebody asked, once it has begun."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import PauseDecided, Rejected, ResumeDecided
from events.envelope import Draft
from projections.state import State


def decide(state: State) -> Iterator[Draft]:
    """Pause what runs and is to stand still; resume what stands still and is wanted to run."""
    for instance in state.services.instances.values():
        if instance.state == "running" and instance.paused:
            probed = Rejected("go on asking whether it is well", "what stands still can't answer")
            yield Draft(
                PauseDecided(
                    instance=instance.name, run=instance.run, rule="pausing.asked", values={"pid": instance.pid},
                    rejected=(probed,),
                ),
                instance.changed,
            )  # fmt: skip
        elif instance.state == "paused" and instance.wanted and not instance.paused:
            resumed = ResumeDecided(
                instance=instance.name, run=instance.run, rule="pausing.over", values={"paused since": instance.since}
            )  # fmt: skip
            yield Draft(resumed, instance.changed)

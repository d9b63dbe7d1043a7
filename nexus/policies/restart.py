"""What follows a failure: the ladder of delays, and giving up at its end."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import Rejected, Restart, RestartScheduled, ServiceGivenUp, Value
from events.envelope import Draft
from projections.services import Instance
from projections.state import State


def decide(state: State) -> Iterator[Draft]:
    """Answer each new failure with a later try, until the tries run out."""
    for instance in state.services.instances.values():
        if instance.state == "waiting" and instance.failures > instance.answered:
            yield from _answer(state, instance, state.services.declared[instance.service].restart)


def _answer(state: State, instance: Instance, restart: Restart) -> Iterator[Draft]:
    attempt = instance.failures
    values: dict[str, Value] = {
        "problem": instance.problem,
        "failures": attempt,
        "tries": restart.tries,
        "when": restart.when,
    }
    if restart.when == "never" or attempt > restart.tries:
        tried = "its restart policy is never" if restart.when == "never" else f"all {restart.tries} tries failed"
        decision = ServiceGivenUp(
            instance=instance.name, failures=attempt, reason=instance.problem, rule="restart.given_up",
            values=values, rejected=(Rejected("try again", tried),),
        )  # fmt: skip
        yield Draft(decision, instance.changed)
    elif delay_seconds := restart.delay_seconds(attempt):
        yield Draft(_scheduled(state, instance, attempt, delay_seconds, restart.tries, values), instance.changed)


def _scheduled(
    state: State, instance: Instance, attempt: int, delay_seconds: float, tries: int, values: dict[str, Value]
) -> RestartScheduled:
    return RestartScheduled(
        instance=instance.name,
        attempt=attempt,
        due=state.at + int(delay_seconds * 1_000_000),
        rule="restart.ladder",
        values={**values, "delay_seconds": delay_seconds},
        rejected=(
            Rejected("restart at once", f"the ladder waits {delay_seconds:g} s before try {attempt}"),
            Rejected("give up", f"this is try {attempt} of {tries}"),
        ),
    )

"""What is known of the use of resources."""

from __future__ import annotations

from events.catalog import Event, MachineUsage, ResourcesMeasured, SamplesRetired, SamplesSealed, Usage
from events.envelope import Recorded
from projections.state import State, evolve

USAGE = Usage(0.5, 0.9, 1024, 2048, None, 2, 3, None, None, None)


def known(*events: Event) -> State:
    """The state after these events."""
    state = State()
    for number, event in enumerate(events, 1):
        state = evolve(state, Recorded(number, number * 60, event))
    return state


def test_the_last_minute_is_known() -> None:
    """An instance that was not measured any more is not in it."""
    first = ResourcesMeasured(since=0, instances={"web.1": USAGE, "db.1": USAGE}, supervisor=USAGE)
    second = ResourcesMeasured(since=60, instances={"web.1": USAGE}, machine=MachineUsage(cores=2))
    resources = known(first, second).resources
    assert (resources.since, resources.at) == (60, 120)
    assert resources.by_instance == {"web.1": USAGE}
    assert (resources.supervisor, resources.machine.cores) == (None, 2)


def test_the_hours_that_are_kept_are_known() -> None:
    """Sealed ones, until they are retired."""
    sealed = [
        SamplesSealed(file=f"{name}.samples", since=0, until=1, ticks=1, instances=1, size_bytes=1, digest="d")
        for name in "ab"
    ]
    assert known(*sealed).resources.sealed == {"a.samples": 1, "b.samples": 2}
    retired = SamplesRetired(file="a.samples", digest="d", reason="old")
    assert known(*sealed, retired).resources.sealed == {"b.samples": 2}

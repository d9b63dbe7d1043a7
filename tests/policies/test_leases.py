"""Ports for people and programs: given a history, when something happens, then these decisions."""

from __future__ import annotations

from events.catalog import (
    CommandReceived,
    Decision,
    LeaseEnded,
    LeaseGranted,
    LeaseReviewScheduled,
    PortClosed,
    PortOpened,
    PortRefused,
    SupervisorStarted,
    Value,
)
from events.envelope import Draft
from nexus.policies.check import check
from nexus.policies.step import step
from tests.given import World


def asked(lease: str, **arguments: Value) -> CommandReceived:
    """Somebody asks for a lease."""
    return CommandReceived(verb="lease", arguments={"lease": lease, **arguments})


def opened(port: int) -> PortOpened:
    """Somebody listens."""
    return PortOpened(port=port, address="127.0.0.1")


def closed(port: int) -> PortClosed:
    """Nobody listens any more."""
    return PortClosed(port=port, address="127.0.0.1")


def test_a_port_of_the_wanted_range_is_granted() -> None:
    """The first free one; another lease gets the next, each with the reason."""
    world = World()
    granted = world.when(asked("ide", first=3000, last=3999), asked("web", first=3000, last=3999))[:2]
    assert [(it.lease, it.port) for it in granted if isinstance(it, LeaseGranted)] == [("ide", 3000), ("web", 3001)]
    assert granted[1].rejected[0].reason == "leased to ide"


def test_the_example_of_the_mission() -> None:
    """The plugin's port is closed; after 300 seconds it is free and said so; whoever asks next gets just that one."""
    world = World()
    world.when(opened(3000))
    world.when(asked("plugin", first=3000, last=3999))
    world.when(opened(3001), after_seconds=5)
    world.due("lease:plugin")
    (review,) = world.when(closed(3001), after_seconds=4_000)
    assert isinstance(review, LeaseReviewScheduled)
    (ended,) = world.due("lease:plugin")
    assert isinstance(ended, LeaseEnded)
    assert (ended.port, ended.rule, ended.values["free for"]) == (3001, "leases.unused", "300 seconds")
    granted = world.when(asked("next", first=3000, last=3999), after_seconds=5)[0]
    assert isinstance(granted, LeaseGranted)
    assert (granted.port, granted.values["why"]) == (3001, "given back 5 s ago")
    assert list(check(world.history)) == []


def test_a_lease_with_a_term_keeps_to_it() -> None:
    """It ends with its term, whether it is used or not."""
    world = World()
    world.when(asked("job", term_seconds=60))
    world.when(opened(world.state.personal.by_name["job"].port))
    (ended,) = world.due("lease:job")
    assert isinstance(ended, LeaseEnded)
    assert ended.rule == "leases.expired"


def test_a_lease_that_is_given_back_ends() -> None:
    """At once, and its port is promised to nobody."""
    world = World()
    world.when(asked("job"))
    (ended,) = world.when(CommandReceived(verb="release", arguments={"lease": "job"}))
    assert isinstance(ended, LeaseEnded)
    assert ended.rule == "leases.returned"
    assert world.state.personal.by_name == {}


def test_a_range_without_a_free_port_is_refused_with_every_reason() -> None:
    """The request ends, and nothing is held."""
    world = World()
    world.when(asked("first", first=3000, last=3000))
    (ended,) = world.when(asked("second", first=3000, last=3000))
    assert isinstance(ended, LeaseEnded)
    assert (ended.rule, ended.port, ended.rejected[0].reason) == ("leases.exhausted", 0, "leased to first")


def test_a_stranger_who_was_faster_costs_a_port_and_no_lease() -> None:
    """Refused means the next candidate."""
    before = World().state
    state, turn = step(before, [Draft(asked("ide", first=3000, last=3999))], before.at + 1)
    granted = next(it.event for it in turn if isinstance(it.event, LeaseGranted))
    refused = PortRefused(lease="ide", port=granted.port, reason="held by somebody")
    _, turn = step(state, [Draft(refused)], state.at + 1)
    again = next(it.event for it in turn if isinstance(it.event, LeaseGranted))
    assert (again.port, again.rejected[0].reason) == (3001, "held by somebody")


def test_a_lease_outlives_the_supervisor_that_held_it() -> None:
    """The next supervisor holds the same port first thing; one that is open by then stays promised."""
    world = World()
    world.when(asked("ide"))
    port = world.state.personal.by_name["ide"].port
    granted = world.when(SupervisorStarted(pid=2))[0]
    assert isinstance(granted, LeaseGranted)
    assert (granted.port, granted.rule) == (port, "leases.rebound")
    state, _ = step(world.state, [Draft(SupervisorStarted(pid=3))], world.state.at + 1)
    state, turn = step(state, [Draft(PortRefused(lease="ide", port=port, reason="in use"))], state.at + 1)
    assert [it.event for it in turn if isinstance(it.event, Decision)] == []
    assert state.personal.by_name["ide"].state == "held"


def test_asking_again_changes_the_term_and_not_the_port() -> None:
    """The same name is the same lease."""
    world = World()
    world.when(asked("ide"))
    port = world.state.personal.by_name["ide"].port
    world.when(asked("ide", term_seconds=10))
    lease = world.state.personal.by_name["ide"]
    assert (lease.port, lease.term_seconds) == (port, 10.0)


def test_a_port_given_back_outside_the_range_is_no_candidate() -> None:
    """The first free one of the wanted range is granted instead."""
    world = World()
    world.when(asked("job", first=4000, last=4000))
    world.when(CommandReceived(verb="release", arguments={"lease": "job"}))
    granted = world.when(asked("ide", first=3000, last=3999))[0]
    assert isinstance(granted, LeaseGranted)
    assert (granted.port, granted.values["why"], granted.rejected) == (3000, "the first free one", ())

"""What would spare trouble with ports: given what is declared and open, then this advice."""

from __future__ import annotations

from typing import Any

import msgspec

from events.catalog import (
    Event,
    PortOpened,
    PortOwner,
    PortPool,
    PortRefused,
    PortRequest,
    PortRules,
    Service,
    SupervisorStarted,
)
from nexus.policies.advice import Advice, advice_view, advise
from tests.given import World, asked, service

LINUX = PortRules(ephemeral=(32_768, 60_999))


def advice(*events: Event, services: tuple[Service, ...] = (), machine: PortRules = LINUX, **more: Any) -> list[Advice]:
    """What is advised after `events`."""
    world = World(*services)
    world.when(SupervisorStarted(pid=1, machine=machine, **more), asked("up"))
    for event in events:
        world.when(event)
    return list(advise(world.state))


def rules(found: list[Advice]) -> list[tuple[int, str, str]]:
    """Port, subject and rule of each."""
    return [(it.port, it.subject, it.rule) for it in found]


def test_nothing_is_advised_where_nothing_is_wrong() -> None:
    """A service on a port of the pool, as it should be."""
    assert advice(services=(service("web", PortRequest()),)) == []


def test_fixed_ports_that_will_be_trouble() -> None:
    """In the ephemeral range, refused by browsers, kept back by the system, taken by AirPlay."""
    web = service(
        "web", PortRequest(fixed=40_000), PortRequest("irc", 6667), PortRequest("x", 8000), PortRequest("air", 5000)
    )  # fmt: skip
    machine = msgspec.structs.replace(LINUX, reserved=((7990, 8010),))
    assert rules(advice(services=(web,), machine=machine, platform="darwin")) == [
        (40_000, "web", "advice.ephemeral"), (6667, "web", "advice.browsers"), (8000, "web", "advice.reserved"),
        (5000, "web", "advice.airplay"),
    ]  # fmt: skip


def test_a_pool_in_the_ephemeral_range() -> None:
    """It is named with the first port that both have."""
    world = World(pool=PortPool(30_000, 40_000))
    world.when(SupervisorStarted(pid=1, machine=LINUX))
    assert rules(list(advise(world.state))) == [(32_768, "the pool", "advice.ephemeral")]


def test_a_port_that_strangers_have_again_and_again() -> None:
    """Three times within a week."""
    refused = PortRefused(lease="web.1/main", port=8080, reason="in use")
    assert rules(advice(refused, refused, refused)) == [(8080, "port 8080", "advice.conflicts")]
    assert advice(refused, refused) == []


def test_who_listens_everywhere_without_being_asked_to() -> None:
    """The declared address and the one that is open differ; what is meant so is left alone."""
    owner = PortOwner(pid=9, command="web", service="web", instance="web.1")
    opened = PortOpened(port=8080, address="0.0.0.0", owners=(owner,), instance="web.1")
    (found,) = advice(opened, services=(service("web", PortRequest()),))
    assert (found.rule, found.subject) == ("advice.everywhere", "web")
    assert "nexus.toml asks for 127.0.0.1" in found.problem
    assert advice(opened, services=(service("web", PortRequest(host="0.0.0.0")),)) == []


def test_what_an_earlier_run_left_behind_is_listed() -> None:
    """Its process still has the port, and no run does; nothing is ended."""
    owner = PortOwner(pid=9, command="web", service="old", instance="old.1")
    (found,) = advice(PortOpened(port=8080, address="127.0.0.1", owners=(owner,), instance="old.1"))
    assert (found.rule, found.subject) == ("advice.left_over", "old.1")
    assert "pid 9" in found.problem


def test_the_view_has_free_ports_as_well() -> None:
    """Three, with their scores."""
    found = advice_view(World().state)
    assert len(found.free) == 3
    assert all(it.score == sum(it.terms.values()) for it in found.free)
    assert found.advice == []

"""Before a run that the gateway leads to is asked to end, nobody is led to it any more."""

from __future__ import annotations

import msgspec

from events.catalog import DrainDecided, PortRequest, RunDrained, StartDecided, StopDecided
from projections.conditions import GATEWAY, waits_for
from projections.routes import upstreams
from tests.given import World, asked, declared, rules, service

WEB = service("web", PortRequest(), probe=True, replicas=2)
PROXY = service(GATEWAY, PortRequest("http"), category="internal")


def behind() -> World:
    """Two instances of web behind the gateway."""
    world = World(WEB, PROXY, service("job"))
    world.when(asked("up"))
    for name in ("web.1", "web.2"):
        world.passes(name)
    return world


def drained(world: World, name: str) -> list[object]:
    """What is decided once no request is under way to an instance."""
    return [type(it) for it in world.when(RunDrained(instance=name, run=world.instance(name).run))]


def test_a_restart_drains_first() -> None:
    """The gateway leads nobody to it, and it is asked to end once nobody is with it."""
    world = behind()
    decided = world.when(asked("restart", "web"))
    assert [type(it) for it in decided] == [DrainDecided, DrainDecided]
    assert rules(decided) == ["restart.asked"] * 2
    assert decided[0].values["drain_seconds"] == 5.0
    assert upstreams(world.state, "web") == []
    assert waits_for(world.state, world.instance("web.1")) == "requests under way to end"
    assert drained(world, "web.1") == [StopDecided]
    assert "drain:web.1" not in world.state.deadlines.by_key
    assert world.instance("web.2").state == "running"
    assert [type(it) for it in world.exits("web.1")] == [StartDecided]
    assert not world.instance("web.1").draining
    world.passes("web.1")
    assert [it.instance for it in upstreams(world.state, "web")] == ["web.1"]


def test_requests_that_take_too_long_are_not_waited_for() -> None:
    """At the end of its time it is asked to end all the same."""
    world = behind()
    world.when(asked("stop", "web"))
    assert rules(world.due("drain:web.2")) == ["shutdown.asked"]
    assert world.instance("web.2").state == "stopping"


def test_what_nobody_is_led_to_ends_at_once() -> None:
    """A service without a port, one that starts, one that is unhealthy; and everything without a gateway."""
    world = behind()
    assert [type(it) for it in world.when(asked("stop", "job"))] == [StopDecided]
    world.fails("web.1")
    assert [type(it) for it in world.when(asked("stop", "web"))] == [DrainDecided]
    world = World(WEB)
    world.when(asked("up"))
    world.passes("web.1")
    assert {type(it) for it in world.when(asked("stop", "web"))} == {StopDecided}


def test_a_shutdown_drains_nobody() -> None:
    """Everything goes, the gateway last."""
    world = behind()
    assert {type(it) for it in world.when(asked("down"))} == {StopDecided}


def test_what_is_drained_ends_though_it_is_wanted_again() -> None:
    """It ends, and another run takes its place."""
    world = behind()
    world.when(asked("stop", "web"))
    world.when(asked("start", "web"))
    assert drained(world, "web.1") == [StopDecided]
    assert rules(world.when(RunDrained(instance="web.2", run=world.instance("web.2").run))) == ["gateway.drained"]
    assert [type(it) for it in world.exits("web.1", 0)] == [StartDecided]


def test_what_becomes_unhealthy_meanwhile_is_not_waited_for() -> None:
    """A failure ends it at once."""
    world = behind()
    world.when(asked("stop", "web"), asked("start", "web"))
    world.when(asked("stop", "web"))
    world.when(asked("start", "web"))
    assert world.instance("web.1").draining
    assert rules(world.fails("web.1")) == ["health.unhealthy"]
    assert world.instance("web.1").state == "stopping"


def test_a_late_word_about_an_earlier_run_changes_nothing() -> None:
    """Nor does one about a run that nobody drains."""
    world = behind()
    before = world.state.services
    world.when(RunDrained(instance="web.1", run=world.instance("web.1").run))
    world.when(RunDrained(instance="web.1", run=1))
    assert world.state.services == before


def test_what_the_gateway_leads_to_may_change_without_a_restart() -> None:
    """How a service is led to is no matter of its run."""
    world = behind()
    kept = msgspec.structs.replace(WEB, gateway=msgspec.structs.replace(WEB.gateway, sticky=True))
    assert world.when(declared(kept, PROXY, service("job"))) == []
    assert world.instance("web.1").bounce == ""

"""Who answers for a service through the gateway, and why nobody does."""

from __future__ import annotations

import msgspec
import pytest

from events.catalog import Exposure, PortRequest, Probe, Restart, Service
from projections import views
from projections.conditions import GATEWAY
from projections.routes import Upstream, is_routed, routed, soon, upstreams, why_not
from projections.services import names_of
from tests.given import World, asked, service

replace = msgspec.structs.replace
UDP = PortRequest("dns", protocol="udp")
UNBOTHERED = Restart(on_unhealthy=False)


def running(*more: Service, replicas: int = 1, host: str = "0.0.0.0") -> World:
    """A world in which the instances of web are well."""
    web = service("web", PortRequest(host=host), probe=True, replicas=replicas)
    world = World(web, *more)
    world.when(asked("up"))
    for name in names_of(web.name, web.replicas):
        world.passes(name)
    return world


def test_instances_that_are_well_are_asked_where_they_can_be_reached() -> None:
    """One that fails its checks is left out, and comes back when it is well."""
    world = running(replicas=2)
    first, second = (world.instance(name) for name in ("web.1", "web.2"))
    assert upstreams(world.state, "web") == [
        Upstream("web.1", first.run, "127.0.0.1", first.ports["main"]),
        Upstream("web.2", second.run, "127.0.0.1", second.ports["main"]),
    ]
    world.fails("web.1")
    assert [it.instance for it in upstreams(world.state, "web")] == ["web.2"]


def test_an_instance_that_is_on_its_way_will_answer_soon() -> None:
    """Not one that waits for its next try, and not one that takes long already."""
    world = running()
    began = world.state.at
    assert not soon(world.state, "web", began)
    world.when(asked("restart", "web"))
    assert soon(world.state, "web", began)
    assert not soon(world.state, "web", world.state.at + 1)
    world.exits("web.1")
    world.exits("web.1")
    assert "restart:web.1" in world.state.deadlines.by_key
    assert not soon(world.state, "web", began)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (service("web", PortRequest()), True),
        (service("web", UDP), False),
        (service("web"), False),
        (replace(service("web", PortRequest()), gateway=Exposure(open=False)), False),
        (replace(service("web", PortRequest()), probe=Probe(kind="postgres")), False),
        (replace(service("web", PortRequest()), probe=Probe(kind="http")), True),
    ],
)
def test_what_speaks_http_is_led_to(one: Service, expected: bool) -> None:
    """A TCP port that is not known to speak something else."""
    assert is_routed(one) == expected


def test_the_port_that_is_named_is_led_to() -> None:
    """Otherwise the main one, otherwise the first."""
    two = replace(service("web", PortRequest("a"), PortRequest("b")), gateway=Exposure(port="b"))
    world = World(two)
    world.when(asked("up"))
    assert [it.port for it in upstreams(world.state, "web")] == [world.instance("web.1").ports["b"]]
    assert routed(world.state) == {"web": two}


def test_the_parts_of_nexus_are_never_led_to() -> None:
    """The control plane is not reachable through the gateway."""
    world = World(service("nexus-api", PortRequest(), category="internal"))
    world.when(asked("up"))
    assert (routed(world.state), upstreams(world.state, "nexus-api")) == ({}, [])
    assert why_not(world.state, "nexus-api") == why_not(world.state, "nobody") == "is no service of this project"


def test_why_nobody_answers_is_told() -> None:
    """In words that follow the name of the service."""
    world = World(service("web", PortRequest(), probe=True), service("job"))
    assert why_not(world.state, "job").startswith("is not led to by the gateway")
    assert why_not(world.state, "web") == "is stopped: nobody wants it to run"
    world.when(asked("up"))
    assert why_not(world.state, "web") == "waits for its first good answer"
    world.passes("web.1")
    assert why_not(world.state, "web") == "is well; it was asked, and did not answer"
    world.exits("web.1")
    assert why_not(world.state, "web") == "exited with code 1, and waits for its next try, number 1"
    world = World(service("web", PortRequest(), restart=Restart(when="never")))
    world.when(asked("up"))
    world.exits("web.1")
    assert why_not(world.state, "web") == "was given up: it exited with code 1"


def test_why_a_task_or_an_unhealthy_service_does_not_answer() -> None:
    """A task is done; a service that fails its checks says what the last one said."""
    world = World(service("web", PortRequest(), task=True))
    world.when(asked("up"))
    world.exits("web.1", 0)
    assert why_not(world.state, "web") == "is done"
    world = World(replace(service("api", PortRequest(), probe=True), restart=UNBOTHERED))
    world.when(asked("up"))
    world.passes("api.1")
    world.fails("api.1")
    assert why_not(world.state, "api") == "is unhealthy: no answer"


def test_where_the_gateway_answers_is_known_while_it_runs() -> None:
    """The name of its port is its scheme."""
    world = running(service(GATEWAY, PortRequest("http"), category="internal"))
    port = world.instance(f"{GATEWAY}.1").ports["http"]
    assert views.gateway_url(world.state) == f"http://localhost:{port}"
    assert views.service_url(world.state, "web") == f"http://web.localhost:{port}"
    assert views.gateway_url(running().state) is None

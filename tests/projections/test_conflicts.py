"""Which endpoint takes a request, and where two endpoints want the same one."""

from __future__ import annotations

import msgspec
import pytest

from events.catalog import Api, PortRequest, Service
from projections.conflicts import route_conflicts, taken
from projections.endpoint_views import endpoints
from tests.given import World, asked, service


def offering(name: str, *lines: str, port: bool = True) -> Service:
    """A service that declares its endpoints."""
    ports = (PortRequest(),) if port else ()
    return msgspec.structs.replace(service(name, *ports, probe=port), api=Api(endpoints=lines))


WEB = offering("web", "GET /users/{id}", "GET /users/me", "POST /users", "GET /", "SEND queue")
API = offering("api", "GET /users/{key}", "GET /")


def running() -> World:
    """Both run, and are well."""
    world = World(WEB, API, offering("batch", "GET /users/{id}", port=False))
    world.when(asked("up"))
    for name in ("web.1", "api.1"):
        world.passes(name)
    return world


def test_conflicts_within_and_between() -> None:
    """Within a service all, between services those that would clash at one address; what every service has is none."""
    found = [(it.kind, it.first.service, it.first.path, it.second.service) for it in route_conflicts(
        World(WEB, API).state.endpoints)]  # fmt: skip
    assert found == [("shadow", "web", "/users/me", "web"), ("duplicate", "web", "/users/{id}", "api")]


def test_conflicts_are_shown_with_the_service_that_is_asked_about() -> None:
    """Each with both routes and a path that both take."""
    shown = endpoints(World(WEB, API).state, "api").conflicts
    assert [(it.first.service, it.second.service, it.witness) for it in shown] == [("web", "api", "/users/x")]


@pytest.mark.parametrize(
    ("url", "by", "path", "why"),
    [
        ("/web/users/me", "GET /users/me", "/users/me", "the path begins with /web"),
        ("/web/users/7", "GET /users/{id}", "/users/7", "the path begins with /web"),
        ("/web", "GET /", "/", "the path begins with /web"),
        ("http://web.localhost:8080/users/7", "GET /users/{id}", "/users/7", "its name is in the host web.localhost"),
        ("/web/nothing", "", "/nothing", "no endpoint of it that is known takes GET /nothing"),
    ],
)
def test_who_takes_a_request(url: str, by: str, path: str, why: str) -> None:
    """By the host, or by the beginning of the path; then the most particular endpoint."""
    found = taken(running().state, "get", url)
    assert found.by is not None
    assert (found.by.service, found.by.endpoint, found.path, found.instances) == ("web", by, path, ["web.1"])
    assert why in found.by.why
    assert found.why == ""


def test_who_else_would_take_it() -> None:
    """Less particular endpoints of the same service, and those of others."""
    others = taken(running().state, "GET", "/web/users/me").others
    assert [(it.service, it.endpoint) for it in others] == [
        ("web", "GET /users/{id}"), ("api", "GET /users/{key}"), ("batch", "GET /users/{id}"),
    ]  # fmt: skip
    assert others[0].why == "the path begins with /web; less particular"


def test_a_path_without_a_service_leads_nowhere() -> None:
    """It is told how it would, and who knows such a path."""
    found = taken(running().state, "GET", "/users/7")
    assert found.by is None
    assert "such as /web/users/7" in found.why
    assert [it.service for it in found.others] == ["web", "api", "batch"]
    assert "such as /SERVICE/x" in taken(World().state, "GET", "x").why


def test_the_port_of_an_instance_names_it() -> None:
    """For whoever asks directly; a port of nobody leads nowhere."""
    world = running()
    port = world.instance("api.1").ports["main"]
    found = taken(world.state, "GET", f"http://127.0.0.1:{port}/users/7")
    assert found.by is not None
    assert found.by.why.startswith(f"api.1 listens on port {port}")
    assert taken(world.state, "GET", "http://127.0.0.1:1/users/7").by is None


def test_why_nobody_answers() -> None:
    """The endpoint is known, and the service does not run."""
    found = taken(World(WEB).state, "GET", "/web/users/7")
    assert (found.instances, found.why) == ([], "is stopped: nobody wants it to run")

"""Alerts about what the services offer."""

from __future__ import annotations

import msgspec

from events.catalog import (
    AlertRaised,
    AlertResolved,
    Api,
    Decision,
    DocumentQuarantined,
    Endpoint,
    EndpointsDiscovered,
)
from tests.given import World, declared, rules, service


def found(*paths: str, breaking: tuple[str, ...] = (), of: str = "web") -> EndpointsDiscovered:
    """What a service says by its document."""
    endpoints = tuple(Endpoint("GET", path) for path in paths)
    return EndpointsDiscovered(
        service=of, source="openapi", path="/openapi.json", document="d", endpoints=endpoints, breaking=breaking
    )


def alert(decided: list[Decision]) -> AlertRaised:
    """The one alert that was raised."""
    (raised,) = [it for it in decided if isinstance(it, AlertRaised)]
    return raised


def test_callers_that_lost_something_are_told_of_for_a_day() -> None:
    """With the first thing they lost and where to see all; then it is over."""
    world = World(service("web"))
    assert world.when(found("/a")) == []
    raised = alert(world.when(found("/b", breaking=("GET /a: it is gone", "x"))))
    assert raised.message == "web broke what its callers may rely on: GET /a: it is gone, and 1 more"
    assert raised.advice == f"see `nexus endpoints diff --from {world.state.seq - 2} --service web`"
    assert (raised.subject, raised.severity) == ("service/web", "warning")
    assert world.later(3600) == []
    assert rules(world.due(raised.key)) == ["alerts.over"]


def test_another_breach_is_another_alert() -> None:
    """The older one is over with it."""
    world = World(service("web"))
    world.when(found("/b", breaking=("GET /a: it is gone",)))
    decided = world.when(found("/c", breaking=("GET /b: it is gone",)))
    assert alert(decided).message.endswith("GET /b: it is gone")
    assert rules(decided) == ["alerts.api_broken", "alerts.over"]


def test_a_document_that_can_not_be_used() -> None:
    """Until there is one that can."""
    world = World(service("web"))
    raised = alert(world.when(DocumentQuarantined(service="web", path="/openapi.json", reason="it is no object")))
    assert raised.message == "what web says of itself at /openapi.json can't be used: it is no object"
    assert raised.severity == "info"
    decided = world.when(found("/a"))
    assert rules(decided) == ["alerts.over"]
    assert isinstance(world.cause(decided[0]), EndpointsDiscovered)


def test_endpoints_of_one_service_that_clash() -> None:
    """One alert with a path that both take, as soon as they are declared; what is plain is no alert."""
    web = msgspec.structs.replace(service("web"), api=Api(endpoints=("GET /{a}/b", "GET /a/{b}", "GET /a/b/{c}")))
    world = World(service("web"))
    raised = alert(world.when(declared(web)))
    assert raised.message == "web has ambiguous endpoints: GET /a/{b} and /{a}/b both take /a/b"
    assert raised.advice == "see `nexus route explain GET /web/a/b`"
    assert raised.severity == "warning"
    assert rules(world.when(declared(service("web")))) == ["alerts.over"]
    assert world.when(found("/a/{b}", "/a/c")) == []


def test_endpoints_of_two_services_that_clash() -> None:
    """One alert for the pair, whatever the number; it says that they do so on a shared address only."""
    world = World(service("web"), service("api"))
    world.when(found("/a", "/b"))
    raised = alert(world.when(found("/a", "/b", of="api")))
    assert raised.message == "api and web both have duplicate endpoints: GET /a and /a both take /a, and 1 more"
    assert (raised.severity, raised.key) == ("info", "routes:api+web")
    (over,) = world.when(found("/c", of="api"))
    assert isinstance(over, AlertResolved)

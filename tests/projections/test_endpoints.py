"""What each service can be asked, how that is known and since when."""

from __future__ import annotations

import msgspec

from events.catalog import Api, DocumentQuarantined, Endpoint, EndpointsDiscovered, Probe, Service
from projections.endpoints import Found, Interface
from tests.given import World, declared, service

A, B = Endpoint("GET", "/a"), Endpoint("GET", "/b", summary="B")


def web(api: Api = Api(), probe: Probe | None = None) -> Service:  # noqa: B008 - frozen
    """A service that declares this."""
    return msgspec.structs.replace(service("web"), api=api, probe=probe)


def found(*endpoints: Endpoint, **more: object) -> EndpointsDiscovered:
    """What the service says by its document."""
    given = {"service": "web", "source": "openapi", "document": "d", "path": "/openapi.json", **more}
    return EndpointsDiscovered(endpoints=endpoints, **given)  # type: ignore[arg-type]


def known(world: World) -> list[str]:
    """Every endpoint with its source."""
    return [f"{it.endpoint.method} {it.endpoint.path} {it.source}" for it in world.state.endpoints.known("web")]


def test_what_is_declared_is_known_at_once() -> None:
    """The health check counts as declared, without its query; said twice it is known once."""
    world = World(web(Api(endpoints=("GET /a",)), Probe(kind="http", target="/health?key=1")))
    assert known(world) == ["GET /a declared", "GET /health declared"]
    world.when(declared(web(Api(endpoints=("GET /",)), Probe(kind="http"))))
    assert known(world) == ["GET / declared"]


def test_an_endpoint_keeps_the_moment_at_which_it_was_first_seen() -> None:
    """Of those that are all known now; one that comes back is new."""
    world = World(web())
    world.when(found(A))
    first = world.state.at
    world.when(found(A, B))
    assert [it.since for it in world.state.endpoints.known("web")] == [first, world.state.at]
    world.when(found(B))
    world.when(found(A))
    assert [it.since for it in world.state.endpoints.known()] == [world.state.at]
    assert known(world) == ["GET /a openapi"]


def test_the_best_source_tells_of_an_endpoint() -> None:
    """What a document says goes before what is declared."""
    world = World(web(Api(endpoints=("GET /b", "GET /c"))))
    world.when(found(A, B))
    assert known(world) == ["GET /a openapi", "GET /b openapi", "GET /c declared"]
    assert list(world.state.endpoints.known("other")) == []


def test_a_document_that_is_gone_leaves_nothing() -> None:
    """But for what its callers lost, and when."""
    world = World(web())
    world.when(found(A))
    world.when(found())
    assert world.state.endpoints.by_service["web"] == Interface()
    world.when(found(A), found(breaking=("all",)))
    openapi = world.state.endpoints.by_service["web"].sources["openapi"]
    assert (openapi.endpoints, openapi.breaking, openapi.broke_at) == ((), ("all",), world.state.at)
    world.when(found(B))
    later = world.state.endpoints.by_service["web"].sources["openapi"]
    assert (later.breaking, later.broke) == (("all",), openapi.broke)


def test_a_bad_document_is_put_aside_until_a_good_one_comes() -> None:
    """The last good one stays; one from another path says nothing about this one."""
    world = World(web())
    world.when(found(A), DocumentQuarantined(service="web", path="/openapi.json", reason="r"))
    quarantined = world.state.endpoints.by_service["web"].quarantined
    assert quarantined is not None
    assert (quarantined.reason, quarantined.since) == ("r", world.state.at)
    assert known(world) == ["GET /a openapi"]
    world.when(found(A, path="/other.json"))
    assert world.state.endpoints.by_service["web"].quarantined == quarantined
    world.when(found(A))
    assert world.state.endpoints.by_service["web"].quarantined is None


def test_what_is_declared_again() -> None:
    """The same declaration changes nothing; one not to be asked is forgotten, one that is gone too."""
    world = World(web(Api(endpoints=("GET /c",))))
    world.when(found(A), EndpointsDiscovered(service="web", source="traffic", endpoints=(B,)))
    before = world.state.endpoints
    world.when(declared(web(Api(endpoints=("GET /c",)))))
    assert world.state.endpoints == before
    world.when(declared(web(Api(asked=False))))
    assert known(world) == ["GET /b traffic"]
    world.when(declared())
    assert world.state.endpoints.by_service == {}


def test_a_quarantine_alone_is_kept() -> None:
    """With a service of which nothing else is known."""
    world = World(web())
    world.when(DocumentQuarantined(service="web", path="/a", reason="r"))
    world.when(declared(web()))
    assert world.state.endpoints.by_service["web"].sources.get("openapi", Found()) == Found()
    assert world.state.endpoints.by_service["web"].quarantined is not None

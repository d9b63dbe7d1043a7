"""Endpoints: what each service can be asked, how that is known, and since when."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from events.catalog import (
    Api,
    ConfigurationLoaded,
    DocumentQuarantined,
    Endpoint,
    EndpointsDiscovered,
    EndpointSource,
    Service,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold

replace = msgspec.structs.replace
SOURCES: tuple[EndpointSource, ...] = ("openapi", "asyncapi", "graphql", "declared", "health", "traffic")
"""An endpoint that is known by several is shown by the first of them."""


IN_WORDS: dict[EndpointSource, str] = {
    "declared": "its declaration",
    "openapi": "its OpenAPI document",
    "asyncapi": "its AsyncAPI document",
    "graphql": "its GraphQL schema",
    "health": "its health checks",
    "traffic": "the requests to it",
}
"""By what endpoints become known."""

NOT_SAID: frozenset[EndpointSource] = frozenset(["declared", "traffic"])
"""Sources that are not what a service says of itself."""


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known by one source: `since` says when each endpoint was first seen, in the order of `endpoints`.

    `broke_at` is when its callers last lost something, `breaking` what.
    """

    endpoints: tuple[Endpoint, ...] = ()
    since: tuple[Micros, ...] = ()
    path: str = ""
    document: str = ""
    title: str = ""
    omitted: int = 0
    changed: Position = 0
    breaking: tuple[str, ...] = ()
    broke_at: Micros = 0
    broke: Position = 0


class Quarantined(msgspec.Struct, frozen=True):
    """A document that can't be used."""

    path: str
    reason: str
    since: Micros
    changed: Position


class Interface(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything known of what one service offers."""

    sources: dict[EndpointSource, Found] = {}
    quarantined: Quarantined | None = None


class Known(msgspec.Struct, frozen=True):
    """An endpoint of a service, the source that it is shown by, and since when it is known by that."""

    service: str
    endpoint: Endpoint
    source: EndpointSource
    since: Micros


class Endpoints(msgspec.Struct, frozen=True):
    """The interfaces by service."""

    by_service: dict[str, Interface] = {}

    def known(self, service: str | None = None) -> Iterator[Known]:
        """Every endpoint once, by service and in the order of its source."""
        names = self.by_service if service is None else [name for name in self.by_service if name == service]
        for name in names:
            seen: set[tuple[str, str, str]] = set()
            sources = self.by_service[name].sources
            for source in SOURCES:
                found = sources.get(source, Found())
                for endpoint, since in zip(found.endpoints, found.since, strict=True):
                    key = (endpoint.method, endpoint.path, endpoint.name)
                    if key not in seen:
                        seen.add(key)
                        yield Known(name, endpoint, source, since)


fold: Fold[Endpoints] = Fold()


def parsed(text: str) -> Endpoint:
    """A declared endpoint: `GET /orders/{id}`."""
    method, _, path = text.partition(" ")
    return Endpoint(method.upper(), path.strip())


@fold.on(ConfigurationLoaded)
def _loaded(endpoints: Endpoints, it: Recorded, event: ConfigurationLoaded) -> Endpoints:
    by_service = {}
    for name, service in event.services.items():
        interface = endpoints.by_service.get(name, Interface())
        interface = _declared(_unasked(interface, service.api), it, service)
        if interface.sources or interface.quarantined:
            by_service[name] = interface
    return Endpoints(by_service)


def _unasked(interface: Interface, api: Api) -> Interface:
    """What a service said of itself is forgotten once it is not to be asked any more."""
    if api.asked:
        return interface
    return Interface({name: found for name, found in interface.sources.items() if name in NOT_SAID})


def _declared(interface: Interface, it: Recorded, service: Service) -> Interface:
    texts = list(service.api.endpoints)
    found = tuple(map(parsed, texts))
    if service.probe is not None and service.probe.kind == "http":
        probed = Endpoint("GET", (service.probe.target or "/").partition("?")[0], summary="its health check")
        found = (*found, *(() if any((one.method, one.path) == ("GET", probed.path) for one in found) else (probed,)))
    return _with(interface, it, "declared", Found(endpoints=found))


@fold.on(EndpointsDiscovered)
def _discovered(endpoints: Endpoints, it: Recorded, event: EndpointsDiscovered) -> Endpoints:
    interface = endpoints.by_service.get(event.service, Interface())
    before = interface.sources.get(event.source, Found())
    found = Found(
        event.endpoints, (), event.path, event.document, event.title, event.omitted,
        breaking=event.breaking or before.breaking, broke_at=it.at if event.breaking else before.broke_at,
        broke=it.seq if event.breaking else before.broke,
    )  # fmt: skip
    interface = _with(interface, it, event.source, found)
    quarantined = interface.quarantined
    if quarantined and event.document and quarantined.path == event.path:
        interface = replace(interface, quarantined=None)
    return Endpoints({**endpoints.by_service, event.service: interface})


def _with(interface: Interface, it: Recorded, source: EndpointSource, found: Found) -> Interface:
    """The same interface with all that is now known by one source; what was known before keeps its moment."""
    before = interface.sources.get(source, Found())
    if before.endpoints == found.endpoints and source == "declared":
        return interface
    since = {_key(one): at for one, at in zip(before.endpoints, before.since, strict=True)}
    moments = tuple(since.get(_key(one), it.at) for one in found.endpoints)
    others = {name: other for name, other in interface.sources.items() if name != source}
    if not found.endpoints and not found.broke:
        return replace(interface, sources=others)
    return replace(interface, sources={**others, source: replace(found, since=moments, changed=it.seq)})


def _key(endpoint: Endpoint) -> tuple[str, str, str]:
    return endpoint.method, endpoint.path, endpoint.name


@fold.on(DocumentQuarantined)
def _quarantined(endpoints: Endpoints, it: Recorded, event: DocumentQuarantined) -> Endpoints:
    interface = endpoints.by_service.get(event.service, Interface())
    quarantined = Quarantined(event.path, event.reason, it.at, it.seq)
    return Endpoints({**endpoints.by_service, event.service: replace(interface, quarantined=quarantined)})

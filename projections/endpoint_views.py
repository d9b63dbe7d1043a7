"""What people and programs are shown of endpoints: the JSON forms of `nexus endpoints` and of REST."""

from __future__ import annotations

from typing import Literal

import msgspec

from events.catalog import EndpointSource
from events.envelope import Position
from projections import conflicts
from projections.conflicts import Taker, route_conflicts
from projections.endpoints import SOURCES, Known
from projections.moments import iso
from projections.paths import Kind, Route
from projections.state import State
from projections.traffic import TrafficView, UsageView, usage, used
from projections.views import gateway_url


class GatewayView(msgspec.Struct, frozen=True):
    """Where the gateway to all services answers."""

    url: str


class EndpointView(msgspec.Struct, frozen=True):
    """What a service can be asked, by which `source` that is known and since when.

    `name` tells several at one path apart. `health` says how its last tries went, `usage` how it is used, null where
    that is not known.
    """

    service: str
    method: str
    path: str
    source: EndpointSource
    health: Literal["unknown", "healthy", "failing"]
    usage: UsageView | None
    name: str
    summary: str
    since: str


class DocumentView(msgspec.Struct, frozen=True):
    """What a service says of itself at `path`; `problem` is why the present one can't be used, null where it can."""

    service: str
    source: EndpointSource | None
    path: str
    title: str
    digest: str
    endpoints: int
    problem: str | None
    since: str | None


class RouteView(msgspec.Struct, frozen=True):
    """An endpoint by what is asked for."""

    service: str
    method: str
    path: str


class ConflictView(msgspec.Struct, frozen=True):
    """Two endpoints that both take `witness`; where they are of one service, `first` goes before `second`."""

    kind: Kind
    first: RouteView
    second: RouteView
    witness: str


class TakenView(msgspec.Struct, frozen=True):
    """What becomes of a request: `by` takes it, one of `instances` answers; `others` would take it if `by` did not.

    `path` is what the service is asked for. `by` is null where nobody takes it; `why` says why nobody does or answers.
    """

    seq: Position
    at: str
    method: str
    path: str
    by: Taker | None
    instances: list[str]
    others: list[Taker]
    why: str


class EndpointsView(msgspec.Struct, frozen=True):
    """Everything that can be asked; `gateway` is null where there is none, `conflicts` are those of the endpoints."""

    seq: Position
    at: str
    gateway: GatewayView | None
    endpoints: list[EndpointView]
    documents: list[DocumentView]
    conflicts: list[ConflictView]


def endpoints(state: State, service: str | None = None) -> EndpointsView:
    """The endpoints of one service or of all, by service and in the order of their documents."""
    gateway = gateway_url(state)
    return EndpointsView(
        state.seq,
        iso(state.at),
        GatewayView(gateway) if gateway else None,
        [_endpoint(state, it) for it in state.endpoints.known(service)],
        [one for name in _names(state, service) for one in _documents(state, name)],
        [
            ConflictView(it.kind, _route(it.first), _route(it.second), it.witness)
            for it in route_conflicts(state.endpoints)
            if service in (None, it.first.service, it.second.service)
        ],
    )


def _route(it: Route) -> RouteView:
    return RouteView(it.service, it.method, it.path)


def taken(state: State, method: str, url: str) -> TakenView:
    """Which service and endpoint take a request, who else would, and why."""
    it = conflicts.taken(state, method, url)
    return TakenView(state.seq, iso(state.at), it.method, it.path, it.by, it.instances, it.others, it.why)


def traffic(state: State, service: str | None = None) -> TrafficView:
    """What was asked of one service or of all through the gateway."""
    known = state.traffic
    since = iso(known.since) if known.since else None
    return TrafficView(state.seq, iso(state.at), known.lost, since, usage(known, service))


def _names(state: State, service: str | None) -> list[str]:
    return [name for name in state.endpoints.by_service if service in (None, name)]


def _endpoint(state: State, it: Known) -> EndpointView:
    endpoint = it.endpoint
    use = state.traffic.routes.get(f"{it.service} {endpoint.method} {endpoint.path}")
    return EndpointView(
        it.service, endpoint.method, endpoint.path, it.source, "unknown", used(use) if use else None, endpoint.name,
        endpoint.summary, iso(it.since),
    )  # fmt: skip


def _documents(state: State, service: str) -> list[DocumentView]:
    """The documents of a service, the one that can't be used included."""
    interface = state.endpoints.by_service[service]
    bad = interface.quarantined
    found = []
    for source in SOURCES:
        it = interface.sources.get(source)
        if it is not None and it.document:
            problem = bad.reason if bad and bad.path == it.path else None
            count = len(it.endpoints) + it.omitted
            since = iso(bad.since) if bad and problem else None
            found.append(DocumentView(service, source, it.path, it.title, it.document, count, problem, since))
    if bad and all(one.path != bad.path for one in found):
        found.append(DocumentView(service, None, bad.path, "", "", 0, bad.reason, iso(bad.since)))
    return found

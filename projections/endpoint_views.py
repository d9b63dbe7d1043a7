"""What people and programs are shown of endpoints: the JSON forms of `nexus endpoints` and of REST."""

from __future__ import annotations

from typing import Literal

import msgspec

from events.catalog import EndpointSource
from events.envelope import Position
from projections.endpoints import SOURCES, Known
from projections.moments import iso
from projections.state import State
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
    usage: None
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


class EndpointsView(msgspec.Struct, frozen=True):
    """Everything that can be asked; `gateway` is null where there is none."""

    seq: Position
    at: str
    gateway: GatewayView | None
    endpoints: list[EndpointView]
    documents: list[DocumentView]


def endpoints(state: State, service: str | None = None) -> EndpointsView:
    """The endpoints of one service or of all, by service and in the order of their documents."""
    gateway = gateway_url(state)
    return EndpointsView(
        state.seq,
        iso(state.at),
        GatewayView(gateway) if gateway else None,
        [_endpoint(it) for it in state.endpoints.known(service)],
        [one for name in _names(state, service) for one in _documents(state, name)],
    )


def _names(state: State, service: str | None) -> list[str]:
    return [name for name in state.endpoints.by_service if service in (None, name)]


def _endpoint(it: Known) -> EndpointView:
    endpoint = it.endpoint
    return EndpointView(
        it.service, endpoint.method, endpoint.path, it.source, "unknown", None, endpoint.name, endpoint.summary,
        iso(it.since),
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

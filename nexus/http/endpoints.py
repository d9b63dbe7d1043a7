"""Questions about what the services can be asked: the list, one document of all, and what changed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any

import msgspec

from events.envelope import Position
from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.http.queries import AtQuery, Known, Name, When, no_such_service, position
from nexus.registry.whole import ChangeView, differences, whole
from projections import endpoint_views, views
from projections.endpoint_views import EndpointsView, TakenView
from projections.history import History
from projections.moments import iso
from projections.state import State
from projections.traffic import TrafficView

Json = dict[str, Any]


class EndpointsQuery(AtQuery, frozen=True, forbid_unknown_fields=True):
    """What can be asked at a moment."""

    service: Annotated[Name, msgspec.Meta(description="Only of this service.")] | None = None


class ChangesQuery(EndpointsQuery, frozen=True, forbid_unknown_fields=True):
    """What changed up to a moment."""

    since: Annotated[When, msgspec.Meta(description="From this moment on; by default from the beginning.")] | None = (
        None
    )


class RouteQuery(AtQuery, frozen=True, forbid_unknown_fields=True):
    """A request that somebody might make."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000, description="A path, or a whole URL.")] = "/"
    method: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{1,20}$", description="Its method.")] = "GET"


class WholeDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """An OpenAPI 3.1 document; its paths begin with the name of their service, as they do through the gateway."""

    openapi: str
    info: Json
    paths: Json
    components: Json
    tags: list[Json]
    servers: list[Json] = []


class ChangesView(msgspec.Struct, frozen=True):
    """What changed between the positions `since` and `seq`; `breaking` counts the changes that break callers."""

    seq: Position
    at: str
    since: Position
    breaking: int
    changes: list[ChangeView]


def endpoints(known: Known, asked: Asked[Nothing, EndpointsQuery]) -> EndpointsView:
    """Everything that can be asked."""
    _check(known, asked.query.service)
    return endpoint_views.endpoints(known.state, asked.query.service)


def usage(known: Known, asked: Asked[Nothing, EndpointsQuery]) -> TrafficView:
    """What is asked of each route."""
    _check(known, asked.query.service)
    return endpoint_views.traffic(known.state, asked.query.service)


def _check(known: Known, service: str | None) -> None:
    if service is not None and service not in views.service_names(known.state):
        raise no_such_service(known.state, service)


def document(known: Known, _: Asked[Nothing, AtQuery]) -> WholeDocument:
    """One document of all."""
    found: WholeDocument = msgspec.convert(
        whole(known.home, known.state, views.gateway_url(known.state)), WholeDocument
    )
    return found


@functools.lru_cache(maxsize=1)
def _history(home: Path) -> History:
    return History(home)


def changes(known: Known, asked: Asked[Nothing, ChangesQuery]) -> ChangesView:
    """What changed since a moment."""
    query, state = asked.query, known.state
    _check(known, query.service)
    since = min(state.seq, position(known.reader, query.since, "since")) if query.since is not None else 0
    before = _history(known.home).at(since) if since else State()
    found = differences(known.home, before, state, query.service)
    return ChangesView(state.seq, iso(known.now), since, sum(bool(it.breaking) for it in found), found)


def route(known: Known, asked: Asked[Nothing, RouteQuery]) -> TakenView:
    """Who takes a request."""
    try:
        return endpoint_views.taken(known.state, asked.query.method, asked.query.url)
    except ValueError as error:
        raise Problem(400, "the query key 'url'", "a path or a URL", str(error), "Mend it.") from error

"""Which endpoint takes a request, and where two endpoints want the same one."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from events.catalog import Service
from projections.conditions import is_internal
from projections.endpoints import Endpoints
from projections.paths import Conflict, Route, conflicts, pattern, takes
from projections.routes import is_routed, upstreams, why_not
from projections.state import State

METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"])
COMMON = frozenset([
    "/", "/docs", "/favicon.ico", "/health", "/healthz", "/api/health", "/livez", "/metrics", "/openapi.json", "/ping",
    "/readyz", "/redoc", "/robots.txt", "/version",
])  # fmt: skip
"""What nearly every service has, each for itself."""

TOLD: frozenset[str] = frozenset(["duplicate", "ambiguous"])
"""The conflicts that somebody ought to know of; of the others it is plain which one goes before."""

_last: tuple[Endpoints, list[Conflict]] = (Endpoints(), [])


def route_conflicts(endpoints: Endpoints) -> list[Conflict]:
    """Within each service, then between them: those have an address each, so that only a shared one would clash."""
    global _last
    known, found = _last
    if known is not endpoints:
        # Remembered because each turn asks, mostly about the same endpoints.
        found = _route_conflicts(endpoints)
        _last = endpoints, found
    return found


def _route_conflicts(endpoints: Endpoints) -> list[Conflict]:
    routes = {name: list(routes_of(endpoints, name)) for name in endpoints.by_service}
    within = [conflict for it in routes.values() for conflict in conflicts(it)]
    shared = [route for it in routes.values() for route in it if route.path not in COMMON]
    between = [it for it in conflicts(shared) if it.first.service != it.second.service and it.kind in TOLD]
    return [*within, *between]


def routes_of(endpoints: Endpoints, service: str) -> Iterator[Route]:
    """The endpoints of a service that are asked by method and path."""
    seen: set[tuple[str, str]] = set()
    for it in endpoints.known(service):
        key = (it.endpoint.method, it.endpoint.path)
        if it.endpoint.method in METHODS and it.endpoint.path.startswith("/") and key not in seen:
            seen.add(key)
            yield Route(service, *key)


class Taker(msgspec.Struct, frozen=True):
    """Who would take a request: `endpoint` is empty where the service has none of that kind; `why` says it in words."""

    service: str
    endpoint: str
    why: str


class Taken(msgspec.Struct, frozen=True):
    """What becomes of a request: `by` takes it, `path` is what that service is asked for, `instances` may answer.

    `others` would take it if `by` did not. `by` is null where nobody does, and `why` then says why.
    """

    method: str
    path: str
    by: Taker | None
    instances: list[str]
    others: list[Taker]
    why: str


def taken(state: State, method: str, url: str) -> Taken:
    """What becomes of a request for a path through the gateway, for a URL, or for a path that services know."""
    method = method.upper()
    service, path, how = _led(state, url)
    if service is None:
        found = [it for name in state.endpoints.by_service for it in _takers(state, name, method, path, "")]
        why = f"no address leads there: through the gateway it begins with a service, such as /{_some(state)}{path}"
        return Taken(method, path, None, [], found, why)
    takers = _takers(state, service, method, path, how)
    others = [
        it for name in state.endpoints.by_service if name != service for it in _takers(state, name, method, path, "")
    ]
    by = takers[0] if takers else Taker(service, "", f"{how}; no endpoint of it that is known takes {method} {path}")
    instances = [it.instance for it in upstreams(state, service)]
    return Taken(method, path, by, instances, [*takers[1:], *others], "" if instances else why_not(state, service))


def _some(state: State) -> str:
    return next((name for name, it in _open(state)), "SERVICE")


def _open(state: State) -> Iterator[tuple[str, Service]]:
    for name, service in state.services.declared.items():
        if is_routed(service) and not is_internal(state, name):
            yield name, service


def _led(state: State, url: str) -> tuple[str | None, str, str]:
    """The service that an address leads to, the path that it is asked for, and why that one."""
    services = dict(_open(state))
    parts = urlsplit(url if "://" in url else f"//nowhere/{url.removeprefix('/')}")
    host, path = parts.hostname or "", parts.path or "/"
    name = host.removesuffix(".localhost")
    if name in services and host.endswith(".localhost"):
        return name, path, f"its name is in the host {host}"
    first, slash, rest = path.removeprefix("/").partition("/")
    if first in services:
        return first, f"/{rest}" if slash else "/", f"the path begins with /{first}"
    for instance in state.services.instances.values():
        if parts.port in instance.ports.values() and instance.service in services and "://" in url:
            return instance.service, path, f"{instance.name} listens on port {parts.port}"
    return None, path, ""


def _takers(state: State, service: str, method: str, path: str, how: str) -> list[Taker]:
    """The endpoints of a service that take a request, the most particular one first."""
    found = []
    for place, route in enumerate(routes_of(state.endpoints, service)):
        given = pattern(route.path)
        if route.method == method and takes(given, path):
            found.append((given.ranks, place, route))
    found.sort(key=lambda it: it[:2])
    why = [how] if how else []
    return [
        Taker(service, f"{it.method} {it.path}", "; ".join([*why, _because(number, len(found))]))
        for number, (_, _, it) in enumerate(found)
    ]


def _because(number: int, count: int) -> str:
    if count == 1:
        return "the only endpoint of it that takes this"
    return "the most particular one: what is fixed earlier in the path goes first" if number == 0 else "less particular"

"""What services say of themselves in the simulated world: endpoints that clash, that break callers, and nonsense."""

from __future__ import annotations

import random

from events.catalog import DocumentQuarantined, Endpoint, EndpointsDiscovered, Event
from tests.simulation.services import SERVICES

PATHS = ("/", "/users", "/users/", "/users/{id}", "/users/{name}", "/users/me", "/{any}/me", "/files/{path:path}")


def told(dice: random.Random) -> Event:
    """A document of some service, or that it can't be used; the service may not be declared any more."""
    service = dice.choice(sorted(SERVICES))
    if dice.random() < 0.3:
        return DocumentQuarantined(service=service, path="/openapi.json", reason="it is no object")
    paths = dice.sample(PATHS, dice.randint(0, 4))
    breaking = ("GET /gone: it is gone",) if dice.random() < 0.3 else ()
    return EndpointsDiscovered(
        service=service, source="openapi", path="/openapi.json", document="d", breaking=breaking,
        endpoints=tuple(Endpoint(dice.choice(("GET", "POST")), path) for path in paths),
    )  # fmt: skip


def nothing_wrong(service: str) -> Event:
    """A document in which nothing clashes."""
    return EndpointsDiscovered(service=service, source="openapi", path="/openapi.json", document="d")

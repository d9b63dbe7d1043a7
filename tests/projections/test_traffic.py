"""What is asked of each route through the gateway."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.catalog import Endpoint, EndpointsDiscovered, PortRequest, RouteUse, TrafficObserved
from projections import endpoint_views
from projections.traffic import CALLERS_MAX, ROUTES_MAX, _end, bucket_of, percentile
from tests.given import World, declared, service

WEB = service("web", PortRequest())
ORDERS = RouteUse("web", "GET", "/orders/{id}", 3, {2: 2, 5: 1}, {40: 2, 60: 1}, 10, 500, {"curl": 3})


def seen(world: World, *routes: RouteUse, lost: int = 0) -> None:
    """The gateway tells of a minute."""
    world.when(TrafficObserved(seconds=60.0, routes=routes, lost=lost))


def test_minutes_add_up() -> None:
    """Counts, classes of statuses, bytes, callers and hours; and what was lost."""
    world = World(WEB)
    seen(world, ORDERS)
    first = world.state.at
    seen(world, ORDERS, RouteUse("web", "POST", "/orders", 9, {2: 9}, {8: 9}), lost=4)
    shown = endpoint_views.traffic(world.state)
    assert [(it.path, it.count) for it in shown.routes] == [("/orders", 9), ("/orders/{id}", 6)]
    orders = shown.routes[1]
    assert (orders.errors, orders.statuses, orders.callers) == (2, {"2xx": 4, "5xx": 2}, {"curl": 6})
    assert (orders.received_bytes, orders.sent_bytes, sum(orders.hours)) == (20, 1000, 6)
    assert (shown.lost, world.state.traffic.since) == (4, first)
    assert orders.p50_ms < orders.p99_ms
    assert endpoint_views.traffic(world.state, "other").routes == []


def test_an_endpoint_shows_how_it_is_used() -> None:
    """One that nobody asked shows nothing."""
    world = World(WEB)
    found = (Endpoint("GET", "/orders/{id}"), Endpoint("DELETE", "/orders/{id}"))
    world.when(EndpointsDiscovered(service="web", source="openapi", endpoints=found))
    seen(world, ORDERS)
    used, unused = endpoint_views.endpoints(world.state).endpoints
    assert used.usage is not None
    assert (used.usage.count, unused.usage) == (3, None)


def test_what_is_kept_is_bounded() -> None:
    """The route that was asked longest ago is forgotten, and the callers that asked least."""
    world = World(WEB)
    seen(world, ORDERS)
    seen(world, *(RouteUse("web", "GET", f"/{number}", 1) for number in range(ROUTES_MAX)))
    assert len(world.state.traffic.routes) == ROUTES_MAX
    assert "web GET /orders/{id}" not in world.state.traffic.routes
    seen(world, RouteUse("web", "GET", "/0", 1, callers={f"c{it}": it + 1 for it in range(CALLERS_MAX + 5)}))
    callers = world.state.traffic.routes["web GET /0"].callers
    assert len(callers) == CALLERS_MAX
    assert "c0" not in callers


def test_what_is_no_longer_declared_is_forgotten() -> None:
    """Its name may be another service's one day."""
    world = World(WEB)
    seen(world, ORDERS)
    world.when(declared(service("api")))
    assert world.state.traffic.routes == {}


@given(st.integers(0, 10**10))
def test_a_latency_is_told_to_within_a_quarter(micros: int) -> None:
    """The end of its bucket is not below it, and at most a quarter above."""
    end = _end(bucket_of(micros))
    assert micros < end or micros == 0
    assert end <= max(2.0, micros * 1.25 + 1)


def test_percentiles_of_nothing_are_nothing() -> None:
    """A route without latencies."""
    assert percentile({}, 0.5) == 0.0

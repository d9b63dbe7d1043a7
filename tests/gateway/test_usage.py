"""The gateway's log of requests, counted by route."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.catalog import Endpoint, TrafficObserved
from nexus.gateway.usage import ROUTES_MAX, Usage, template
from nexus.platforms.control import serve
from nexus.sensors.traffic import traffic_of
from projections.endpoints import Endpoints


@pytest.fixture
def usage(tmp_path: Path) -> Iterator[Usage]:
    """A count of what is asked of web."""
    usage = Usage(tmp_path, 0, Endpoints, "web".__eq__)
    yield usage
    usage.socket.close()


def line(uri: str, service: str = "web", **more: object) -> bytes:
    """One line of Caddy's log."""
    request = {"method": "GET", "uri": uri, "host": "web.localhost"}
    told = {"request": request, "status": 200, "duration": 0.002, "size": 5, "service": service, **more}
    return json.dumps(told).encode()


async def told(usage: Usage, *lines: bytes) -> TrafficObserved | None:
    """What the supervisor is told of these lines, None where it is told nothing."""
    found: list[TrafficObserved] = []

    async def answer(payload: bytes, _: object) -> bytes:
        traffic = traffic_of(payload)
        assert traffic is not None
        found.append(traffic)
        return b"{}"

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        for one in lines:
            channel.sendto(one, usage.socket.getsockname())
    usage.take()
    async with serve(usage.home, answer):
        await usage.hand_over()
    return found[0] if found else None


async def test_requests_are_counted_by_route(usage: Usage) -> None:
    """Below a prefix the path counts without it; queries and versions of callers are left out."""
    seen = await told(
        usage, line("/orders/17?token=secret", caller="curl/8.1"), line("/web/orders/18", prefix="web", status=502),
        line("/about"), line("/", service="nobody"), b"{",
    )  # fmt: skip
    assert seen is not None
    assert [(it.path, it.count) for it in seen.routes] == [("/about", 1), ("/orders/{id}", 2)]
    orders = seen.routes[1]
    assert (orders.statuses, orders.callers, orders.sent_bytes) == ({2: 1, 5: 1}, {"curl": 1, "unknown": 1}, 10)
    assert seen.lost == 1
    assert await told(usage) is None


async def test_what_nobody_could_be_told_is_told_as_lost(usage: Usage) -> None:
    """While no supervisor runs."""
    usage.count(usage._decoder.decode(line("/a")))
    await usage.hand_over()
    assert (await told(usage, line("/b"))) is not None
    usage.count(usage._decoder.decode(line("/a")))
    await usage.hand_over()
    seen = await told(usage)
    assert seen is not None
    assert (seen.lost, seen.routes) == (1, ())


async def test_routes_are_bounded(usage: Usage) -> None:
    """A service that is asked for ever new words fills nothing."""
    for number in range(ROUTES_MAX + 50):
        usage.count(usage._decoder.decode(line(f"/word{'abcdefghij'[number % 10]}{'x' * (number // 10)}")))
    seen = await told(usage)
    assert seen is not None
    assert len(seen.routes) == ROUTES_MAX + 1
    assert sum(it.count for it in seen.routes) == ROUTES_MAX + 50


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/orders/17", "/orders/{order}"),
        ("/orders/latest", "/orders/latest"),
        ("/orders/17/lines/3", "/orders/{id}/lines/{id}"),
        ("/users/9b2f0f6e-1d0b-4b52-9d1c-6f7a3a1e2b4c", "/users/{id}"),
        ("/commit/4f2c9a1be7", "/commit/{id}"),
        ("/static/app.js", "/static/app.js"),
        ("/decade", "/decade"),
        ("/", "/"),
    ],
)
def test_a_path_is_of_a_template(path: str, expected: str) -> None:
    """One that is known, with as many literal words as possible; else what looks like a name varies."""
    known = [Endpoint("GET", "/orders/{order}"), Endpoint("GET", "/orders/latest"), Endpoint("POST", "/orders/{x}/y")]
    assert template(path, "GET", known) == expected

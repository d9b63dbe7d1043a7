"""Traffic: what is asked of each route through the gateway, how long it takes, when and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from events.catalog import ConfigurationLoaded, RouteUse, TrafficObserved
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold
from projections.moments import iso

K = TypeVar("K", int, str)
replace = msgspec.structs.replace
ROUTES_MAX = 500
"""As many routes are kept; of more, the one that was asked longest ago is forgotten."""

CALLERS_MAX = 20
HOUR_MICROS = 3_600_000_000
BUCKETS_IN_OCTAVE = 4


class Use(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was asked of one route so far; `hours` counts by the hour of the day in UTC."""

    service: str
    method: str
    path: str
    count: int = 0
    statuses: dict[int, int] = {}
    latencies: dict[int, int] = {}
    received_bytes: int = 0
    sent_bytes: int = 0
    callers: dict[str, int] = {}
    hours: dict[int, int] = {}
    first_at: Micros = 0
    last_at: Micros = 0


class Traffic(msgspec.Struct, frozen=True):
    """The routes by name (`web GET /orders/{id}`), and how many requests were not counted."""

    routes: dict[str, Use] = {}
    lost: int = 0
    since: Micros = 0


fold: Fold[Traffic] = Fold()


@fold.on(TrafficObserved)
def _observed(traffic: Traffic, it: Recorded, event: TrafficObserved) -> Traffic:
    routes = dict(traffic.routes)
    for use in event.routes:
        name = f"{use.service} {use.method} {use.path}"
        known = routes.pop(name, None) or Use(use.service, use.method, use.path, first_at=it.at)
        routes[name] = _more(known, use, it.at)
    for name in list(routes)[: max(0, len(routes) - ROUTES_MAX)]:
        del routes[name]
    return Traffic(routes, traffic.lost + event.lost, traffic.since or it.at)


def _more(known: Use, use: RouteUse, at: Micros) -> Use:
    callers = _sum(known.callers, use.callers)
    kept = sorted(callers, key=lambda name: (-callers[name], name))[:CALLERS_MAX]
    return replace(
        known, count=known.count + use.count, statuses=_sum(known.statuses, use.statuses),
        latencies=_sum(known.latencies, use.latencies), received_bytes=known.received_bytes + use.received_bytes,
        sent_bytes=known.sent_bytes + use.sent_bytes, callers={name: callers[name] for name in kept},
        hours=_sum(known.hours, {at // HOUR_MICROS % 24: use.count}), last_at=at,
    )  # fmt: skip


def _sum(one: Mapping[K, int], other: Mapping[K, int]) -> dict[K, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


@fold.on(ConfigurationLoaded)
def _loaded(traffic: Traffic, _: Recorded, event: ConfigurationLoaded) -> Traffic:
    """What is no longer declared is forgotten."""
    return replace(traffic, routes={name: it for name, it in traffic.routes.items() if it.service in event.services})


def bucket_of(micros: int) -> int:
    """The bucket of a latency: each is a quarter of a power of two wide, about 19 %."""
    octave = max(0, micros.bit_length() - 1)
    return octave * BUCKETS_IN_OCTAVE + ((micros - (1 << octave)) * BUCKETS_IN_OCTAVE >> octave if micros else 0)


def percentile(latencies: Mapping[int, int], share: float) -> float:
    """The latency in seconds that this share of the requests did not exceed, to within the width of a bucket."""
    wanted = share * sum(latencies.values())
    passed = 0
    for bucket in sorted(latencies):
        passed += latencies[bucket]
        if passed >= wanted:
            return _end(bucket) / 1e6
    return 0.0


def _end(bucket: int) -> float:
    octave, quarter = divmod(bucket, BUCKETS_IN_OCTAVE)
    return (1 << octave) * (1 + (quarter + 1) / BUCKETS_IN_OCTAVE)


# -- what is shown -------------------------------------------------------------------------------


class UsageView(msgspec.Struct, frozen=True):
    """What was asked of one route; `errors` are answers of 500 and above, `hours` has requests by hour, UTC."""

    service: str
    method: str
    path: str
    count: int
    errors: int
    statuses: dict[str, int]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    received_bytes: int
    sent_bytes: int
    callers: dict[str, int]
    hours: list[int]
    first_at: str
    last_at: str


class TrafficView(msgspec.Struct, frozen=True):
    """What was asked through the gateway, the busiest route first; `lost` requests were not counted."""

    seq: Position
    at: str
    lost: int
    since: str | None
    routes: list[UsageView]


def used(it: Use) -> UsageView:
    """What was asked of one route."""
    p50, p95, p99 = (round(percentile(it.latencies, share) * 1000, 3) for share in (0.5, 0.95, 0.99))
    return UsageView(
        it.service, it.method, it.path, it.count, it.statuses.get(5, 0),
        {f"{status}xx": count for status, count in sorted(it.statuses.items())}, p50, p95, p99,
        it.received_bytes, it.sent_bytes, it.callers, [it.hours.get(hour, 0) for hour in range(24)],
        iso(it.first_at), iso(it.last_at),
    )  # fmt: skip


def usage(traffic: Traffic, service: str | None = None) -> list[UsageView]:
    """The routes that were asked, the busiest first."""
    uses = sorted(traffic.routes.values(), key=lambda use: (-use.count, use.service, use.path, use.method))
    return [used(it) for it in uses if service in (None, it.service)]

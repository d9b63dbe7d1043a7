"""What is asked through the gateway: its log of requests, counted by route, handed to the supervisor each minute."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from events.catalog import Endpoint, RouteUse, TrafficObserved
from nexus.platforms.control import ControlError, request
from nexus.platforms.listen import datagram, listen_udp
from projections.endpoints import Endpoints
from projections.traffic import bucket_of

EVERY_SECONDS = 60.0
ANSWER_SECONDS = 5.0
AT_ONCE = 500
"""As many lines are taken in before somebody else has a turn."""

ROUTES_MAX = 200
"""As many routes of one service are told apart in a minute; the rest counts as one."""

CALLERS_MAX = 20
OTHERS = "/…"
VARIES = re.compile(
    r"\d+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|(?=\w*\d)[0-9a-fA-F]{8,}|(?=[\w-]*\d)[\w-]{20,}|.{40,}"
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})


class Asked(msgspec.Struct):
    """The part of a logged request that is looked at."""

    method: str = "GET"
    uri: str = "/"


class Line(msgspec.Struct):
    """One line of the gateway's log of requests; `duration` is in seconds."""

    request: Asked
    status: int = 0
    duration: float = 0.0
    size: int = 0
    bytes_read: int = 0
    service: str = ""
    caller: str = ""
    prefix: str = ""


class Tally:
    """One route in this minute."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.latencies: Counter[int] = Counter()
        self.callers: Counter[str] = Counter()
        self.received = self.sent = 0

    def add(self, line: Line) -> None:
        """Count a request."""
        self.statuses[line.status // 100] += 1
        self.latencies[bucket_of(int(line.duration * 1_000_000))] += 1
        caller = line.caller.partition(" ")[0].partition("/")[0][:40] or "unknown"
        self.callers[caller if caller in self.callers or len(self.callers) < CALLERS_MAX else "others"] += 1
        self.received += line.bytes_read
        self.sent += line.size

    def use(self, service: str, method: str, path: str) -> RouteUse:
        """What is told of it."""
        return RouteUse(
            service, method, path, self.statuses.total(), dict(self.statuses), dict(self.latencies),
            self.received, self.sent, dict(self.callers),
        )  # fmt: skip


class Usage:
    """Counts what is asked; `endpoints` says what is known of each service's paths."""

    def __init__(
        self, home: Path, port: int, endpoints: Callable[[], Endpoints], declared: Callable[[str], bool]
    ) -> None:
        self.home, self.endpoints, self.declared = home, endpoints, declared
        self.socket: socket.socket = listen_udp(port)
        self.lost = 0
        self._dropped = 0
        self._tallies: dict[tuple[str, str, str], Tally] = {}
        self._decoder = msgspec.json.Decoder(Line)
        self._since = time.monotonic()
        self._known = Endpoints()
        self._template = functools.lru_cache(maxsize=10_000)(self._look_up)

    async def run(self) -> None:
        """Count until cancelled, and hand over each minute; the last time at the end."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self.socket, self.take)
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                await self.hand_over()
        finally:
            loop.remove_reader(self.socket)
            await self.hand_over()
            self.socket.close()

    def take(self) -> None:
        """Take in what has come."""
        for _ in range(AT_ONCE):
            try:
                data, dropped = datagram(self.socket)
            except OSError:
                return
            if dropped is not None and dropped > self._dropped:
                self.lost += dropped - self._dropped
                self._dropped = dropped
            try:
                self.count(self._decoder.decode(data))
            except msgspec.DecodeError:
                self.lost += 1

    def count(self, line: Line) -> None:
        """Count one request; what is for nobody is not counted, or strangers could fill the history."""
        if not self.declared(line.service):
            return
        if self.endpoints() is not self._known:
            self._known = self.endpoints()
            self._template.cache_clear()
        method = line.request.method if line.request.method in METHODS else "other"
        path = line.request.uri.partition("?")[0]
        if path.startswith(f"/{line.service}/") and line.prefix:
            path = path[len(line.service) + 1 :]
        key = (line.service, method, self._template(line.service, method, path))
        if key not in self._tallies and sum(name == line.service for name, _, _ in self._tallies) >= ROUTES_MAX:
            key = (line.service, method, OTHERS)
        self._tallies.setdefault(key, Tally()).add(line)

    def _look_up(self, service: str, method: str, path: str) -> str:
        known = (it.endpoint for it in self._known.known(service))
        return template(path, method, known)

    async def hand_over(self) -> None:
        """Tell the supervisor what was asked; where there is none, it is told later how much that was."""
        tallies, self._tallies = self._tallies, {}
        (lost, self.lost), (since, self._since) = (self.lost, 0), (self._since, time.monotonic())
        if not tallies and not lost:
            return
        seen = TrafficObserved(
            seconds=round(self._since - since, 3), lost=lost,
            routes=tuple(tally.use(*key) for key, tally in sorted(tallies.items())),
        )  # fmt: skip
        payload = msgspec.json.encode({"verb": "observe", "traffic": seen})
        try:
            await asyncio.to_thread(lambda: list(request(self.home, payload, ANSWER_SECONDS)))
        except (ControlError, OSError):
            self.lost += lost + sum(tally.statuses.total() for tally in tallies.values())


def template(path: str, method: str, known: Iterable[Endpoint]) -> str:
    """The template that a path is of: a known one with as many literal words as possible, else a guess."""
    words = path.split("/")
    best, literals = "", -1
    for endpoint in known:
        if endpoint.method not in (method, "ANY", "*"):
            continue
        parts = endpoint.path.split("/")
        same = [part == word for part, word in zip(parts, words, strict=False)]
        fits = len(parts) == len(words) and all(
            is_same or (part.startswith("{") and word) for is_same, part, word in zip(same, parts, words, strict=True)
        )
        if fits and sum(same) > literals:
            best, literals = endpoint.path, sum(same)
    return best or "/".join("{id}" if VARIES.fullmatch(word) else word for word in words)

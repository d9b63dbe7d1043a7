"""The guide of the gateway: follows the log, tells who answers for a service, and shows what went wrong."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import re
import socket
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import msgspec

from nexus.gateway import names, page
from nexus.gateway.names import Place
from projections import story
from projections.history import History
from projections.moments import iso
from projections.routes import routed, soon, upstreams
from projections.state import State, evolve

LOOK_SECONDS = 1.0
"""How often the log is looked at where nobody says that there is something new."""

PATIENCE_MICROS = 6_000_000
"""How long a request waits for an instance that is on its way, before a page says so."""

HERE = "127.0.0.1"
LINES_SHOWN = 6
BODY_BYTES_MAX = 1 << 20
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

logger = logging.getLogger(__name__)


class Guide:
    """What is known of the services at this moment; `page` is the port on which the pages are shown."""

    def __init__(self, home: Path, page_port: int, version: str) -> None:
        self.history, self.page_port, self.version = History(home), page_port, version
        self.state: State = self.history.at()
        self.routed = frozenset(routed(self.state))
        self.news = asyncio.Event()
        self._refusing = socket.socket()
        self._refusing.bind((HERE, 0))
        self.nobody = Place(HERE, self._refusing.getsockname()[1])

    async def follow(self) -> None:
        """Take in what is recorded, whenever somebody says that there is something new, until cancelled."""
        while True:
            try:
                for recorded in self.history.reader.read(self.state.seq):
                    self.state = evolve(self.state, recorded)
                self.routed = frozenset(routed(self.state))
            except Exception:
                logger.exception("the log could not be followed; it is tried again")
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.news.wait()
            except TimeoutError:
                continue
            self.news.clear()

    # -- names ---------------------------------------------------------------------------------

    def lookup(self, service: str) -> Sequence[Place]:
        """Who answers for a service; where nobody does, Nexus itself does with a page that says why.

        For one that is on its way the answer is a place that refuses at once, so that the request is tried again.
        """
        found = upstreams(self.state, service)
        places = [Place(address, it.port) for it in found if (address := address_of(it.host))]
        if not places and soon(self.state, service, time.time_ns() // 1000 - PATIENCE_MICROS):
            return [self.nobody]
        return places or [Place(HERE, self.page_port)]

    # -- pages ---------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application of the pages."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        await _drained(receive)
        status, media_type, body = self.respond(scope["method"], scope["path"], scope["query_string"], headers)
        fields = {
            "content-type": f"{media_type}; charset=utf-8", "cache-control": "no-store",
            "x-content-type-options": "nosniff", "content-security-policy": page.POLICY, "server": "Nexus",
        }  # fmt: skip
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            fields["retry-after"] = str(page.AGAIN_SECONDS)
        raw = [(name.encode(), value.encode()) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})

    def respond(self, method: str, path: str, query: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        """Status, media type and body; `path` is as the service would have seen it."""
        host = headers.get("host", "")
        if host == f"{HERE}:{self.page_port}":
            return self._own(path, query)
        service = self._service(headers, host)
        if service is None and path == "/.well-known/nexus":
            return 200, "application/json", msgspec.json.encode(page.well_known(self.state, self.version))
        wants_html = "text/html" in headers.get("accept", "")
        if service is None and path == "/":
            return 200, "text/html", page.index(self.state).encode()
        status = headers.get("x-nexus-status", "")
        document = page.problem(self.state, service or path.split("/")[1], int(status) if status.isdecimal() else 0)
        if not wants_html:
            return document.status, "application/problem+json", msgspec.json.encode(document)
        shown = page.as_html(document, service or "It", self._last(service) if service else [])
        return document.status, "text/html", shown.encode()

    def _own(self, path: str, query: bytes) -> tuple[int, str, bytes]:
        """What the gateway itself and Nexus ask: whether we are well, and which names may have a certificate."""
        if path == "/health":
            return 200, "text/plain", b"well"
        name = re.fullmatch(rb"domain=([a-z0-9._-]+)", query) if path == "/ask" else None
        label = name[1].decode().partition(".")[0] if name else ""
        known = label in ("localhost", *routed(self.state))
        return (200 if known else 404), "text/plain", b""

    @staticmethod
    def _service(headers: dict[str, str], host: str) -> str | None:
        """Which service was called, by its prefix or by its name."""
        prefix = headers.get("x-forwarded-prefix", "").removeprefix("/")
        label, _, rest = host.partition(":")[0].lower().partition(".")
        named = prefix or (label if rest and not _is_address(host) else "")
        return named if NAME.fullmatch(named) else None

    def _last(self, service: str) -> list[str]:
        """What happened last to a service, the newest first."""
        rows = self.history.reader.rows(streams=[f"service/{service}"], newest_first=True, limit=LINES_SHOWN)
        return [f"{iso(row.at)[11:19]} UTC: {story.sentence(row.event)}" for row in rows]


async def _drained(receive: Any) -> None:
    """Take in the body, as long as it is not too large: whoever sends one does not listen before its end."""
    size = 0
    while size < BODY_BYTES_MAX:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host.rpartition(":")[0] or host))
    except ValueError:
        return False


@functools.lru_cache(maxsize=256)
def address_of(host: str) -> str | None:
    """The address of a host that a service listens on, None where it has none."""
    try:
        return str(socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)[0][4][0])
    except OSError:
        return None


class Names(asyncio.DatagramProtocol):
    """Answers who is there; an empty datagram says that there is something new in the log."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer at once."""
        if not data:
            self.guide.news.set()
            return
        reply = names.answer(data, self.guide.lookup)
        if reply is not None and self.transport is not None:
            self.transport.sendto(reply, addr)

    def error_received(self, exc: Exception) -> None:
        """Whoever asked is gone."""

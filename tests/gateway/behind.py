"""A project behind the gateway, and plain clients that hide nothing of what the gateway does."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import msgspec

from nexus.parts import under_way
from projections.history import History
from tests.http.supervised import System

APP = Path(__file__).parent / "app.py"
CONFIGURATION = f"""
[nexus]
project = "shop"
gateway = "auto"
[services.web]
command = "{{python}} {APP} {{port}}"
port = "auto"
instances = 2
health = {{ http = "/", interval = "200ms" }}
[services.one]
command = "{{python}} {APP} {{port}}"
port = "auto"
health = {{ http = "/", interval = "200ms" }}
[services.pair]
command = "{{python}} {APP} {{port}}"
port = "auto"
instances = 2
health = {{ http = "/", interval = "200ms" }}
gateway = {{ sticky = true, routes = {{ "/post*" = {{ body_max = "10B" }}, "/slow" = {{ timeout = "200ms" }} }} }}
[services.broken]
command = "false"
port = "auto"
restart = "never"
[services.hidden]
command = "{{python}} {APP} {{port}}"
port = "auto"
gateway = false
autostart = false
"""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Behind:
    """The gateway of a system that runs."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.port = int(system.status["gateway"].rpartition(":")[2])

    def ask(self, host: str, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """One request on a connection of its own; `host` is what the Host header says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        fields = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            connection.request(method, path, body or None, fields)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def websocket(self, host: str, path: str = "/") -> socket.socket:
        """A WebSocket, as the plain socket that is left after the handshake."""
        channel = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        channel.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += channel.recv(1)
        assert head.startswith(b"HTTP/1.1 101"), head
        return channel

    def decisions(self, service: str, kind: str) -> list[dict[str, Any]]:
        """The decisions of a kind about a service."""
        rows = History(self.system.home).reader.rows(kinds=[kind], streams=[f"service/{service}"])
        return [msgspec.to_builtins(row.event) for row in rows]

    def under_way(self) -> int:
        """How many requests are under way, as the gateway says."""
        state = History(self.system.home).at()
        ports = {port for it in state.services.instances.values() for port in it.ports.values()}
        return asyncio.run(under_way(self.system.home)(ports))

    @contextlib.contextmanager
    def stream(self, host: str) -> Iterator[http.client.HTTPResponse]:
        """An endless answer, for the length of a block."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", "/stream", headers={"Host": host})
        answer = connection.getresponse()
        yield answer
        answer.close()
        connection.close()


def echoed(channel: socket.socket, text: str) -> str:
    """What comes back for a short text over a WebSocket."""
    mask = b"\1\2\3\4"
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text.encode()))
    channel.sendall(bytes([0x81, 0x80 | len(masked)]) + mask + masked)
    length = channel.recv(2)[1]
    return channel.recv(length).decode()


class Load:
    """Clients that ask again and again while something happens; `counts` has what they got."""

    def __init__(self, behind: Behind, host: str, method: str, clients: int = 4) -> None:
        self.behind, self.host, self.method = behind, host, method
        self.counts: Counter[str] = Counter()
        self._over = Event()
        self._threads = [Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.behind.port, timeout=20)
        while not self._over.is_set():
            try:
                connection.request(self.method, "/x", b"hello" if self.method == "POST" else None, {"Host": self.host})
                answer = connection.getresponse()
                answer.read()
                self.counts[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.counts[type(error).__name__] += 1
                connection.close()
        connection.close()

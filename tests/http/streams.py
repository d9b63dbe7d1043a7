"""Clients of the live feed that are killed, resumed and frozen."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

from tests.http.running import Api
from tests.http.story import Story


class Stream:
    """An SSE client over a bare socket: what it has read completely is what it has; `last` is its last id."""

    def __init__(self, api: Api, path: str = "/events", last: str | None = None) -> None:
        self._begin(api.port, api.token, path, last)

    @classmethod
    def of(cls, url: str, token: str, path: str) -> Stream:
        """A client of the server at an address."""
        stream = cls.__new__(cls)
        stream._begin(int(url.rpartition(":")[2]), token, path, None)
        return stream

    def _begin(self, port: int, token: str, path: str, last: str | None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {token}"]
        head += [f"Last-Event-ID: {last}"] if last else []
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())
        self.last = last
        self._left = self._text = b""
        self.head = self._until(b"\r\n\r\n").decode()

    def _until(self, end: bytes) -> bytes:
        while end not in self._left:
            piece = self.socket.recv(65_536)
            if not piece:
                raise EOFError(self._left)
            self._left += piece
        found, _, self._left = self._left.partition(end)
        return found

    def _chunk(self) -> bytes:
        size = int(self._until(b"\r\n"), 16)
        while len(self._left) < size + 2:
            piece = self.socket.recv(65_536)
            if not piece:
                raise EOFError(self._left)
            self._left += piece
        found, self._left = self._left[:size], self._left[size + 2 :]
        if not size:
            raise EOFError
        return found

    def blocks(self) -> Iterator[dict[str, str]]:
        """The fields of each block as they come; ends with the stream."""
        while True:
            while b"\n\n" not in self._text:
                try:
                    self._text += self._chunk()
                except (EOFError, ConnectionResetError):
                    return
            block, _, self._text = self._text.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
            self.last = fields.get("id", self.last)
            yield fields

    def events(self) -> Iterator[dict[str, Any]]:
        """The events alone."""
        return (json.loads(it["data"]) for it in self.blocks() if "data" in it and "event" not in it)

    def controls(self) -> Iterator[dict[str, Any]]:
        """The control events alone."""
        return (json.loads(it["data"]) for it in self.blocks() if "event" in it)

    def kill(self) -> None:
        """Go away without a word."""
        self.socket.close()


class Load:
    """Events at a steady rate for the length of a block."""

    def __init__(self, story: Story, per_second: int) -> None:
        self.story, self.per_second = story, per_second
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._enough.wait(0.01):
            self.story.fill(max(1, self.per_second // 100))

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

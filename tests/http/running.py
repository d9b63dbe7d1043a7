"""The web API as it really runs: a process of its own over a home."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from nexus.http.tokens import Tokens
from nexus.platforms.listen import api_socket


class Api:
    """A running server: `url`, the operator's token, and how to end it."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.errors = (home / "api.log").open("ab+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nexus.http", "--home", str(home), "--port", "0", *arguments],
            stdout=subprocess.PIPE, stderr=self.errors, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().decode().strip()
        assert self.url, f"the server did not start: {(home / 'api.log').read_text()}"
        self.port = int(self.url.rpartition(":")[2])
        self.token = Tokens(home).default()
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def client(self, **more: object) -> httpx.Client:
        """A client with the operator's token."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=30, trust_env=False, **more)  # type: ignore[arg-type]

    def anonymous(self) -> httpx.Client:
        """A client without a token."""
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def over_unix(self) -> httpx.Client:
        """A client on the unix socket."""
        transport = httpx.HTTPTransport(uds=str(api_socket(self.home)))
        return httpx.Client(base_url="http://nexus", transport=transport, timeout=30)

    def stop(self) -> int:
        """End it in good order; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.errors.close()
        if self.process.stdout:
            self.process.stdout.close()
        return code


@contextlib.contextmanager
def running(home: Path, *arguments: str) -> Iterator[Api]:
    """A server for the length of a block."""
    api = Api(home, *arguments)
    try:
        yield api
    finally:
        api.stop()

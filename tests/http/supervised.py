"""Nexus as a whole: a supervisor, its services, and the web API that it runs."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from nexus.http.tokens import Tokens
from nexus.platforms.listen import api_socket
from tests.waiting import until

CONFIGURATION = """
[nexus]
project = "shop"
[services.web]
instances = { min = 1, max = 2 }
command = "{python} -m http.server {port} --bind 127.0.0.1"
port = "auto"
health = { http = "/", interval = "200ms" }
restart = { delays = ["20ms"] }
[services.worker]
command = "sleep 600"
depends_on = ["web"]
"""


class System:
    """A project that runs in a folder of its own."""

    def __init__(
        self, folder: Path, configuration: str = CONFIGURATION, environment: dict[str, str] | None = None
    ) -> None:
        self.folder, self.home, self.environment = folder, folder / ".nexus", environment or {}
        (folder / "nexus.toml").write_text(configuration)

    def nexus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command and wait for its end."""
        return subprocess.run(
            [sys.executable, "-m", "nexus.main", *arguments], cwd=self.folder, capture_output=True, text=True,
            timeout=60,
            env={**{name: value for name, value in os.environ.items() if name != "NEXUS_HOME"}, **self.environment},
        )  # fmt: skip

    def up(self) -> System:
        """Start everything and wait until it is well."""
        done = self.nexus("up", "-d")
        assert done.returncode == 0, done.stdout + done.stderr
        until(self._answers, 20, "the web API")
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError), httpx.Client(trust_env=False) as client:
            return client.get(f"{self.url}/api/health").status_code == 200
        return False

    @property
    def status(self) -> dict[str, Any]:
        """What `nexus status` says."""
        found: dict[str, Any] = json.loads(self.nexus("status", "--json").stdout)
        return found

    @functools.cached_property
    def url(self) -> str:
        """Where the API answers; it keeps its port."""
        return str(until(lambda: self.status["url"], 20, "the address of the web API"))

    @property
    def token(self) -> str:
        """The operator's token."""
        return Tokens(self.home).default()

    def client(self) -> httpx.Client:
        """A client with the operator's token."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30, trust_env=False
        )

    def over_unix(self) -> httpx.Client:
        """A client on the unix socket."""
        transport = httpx.HTTPTransport(uds=str(api_socket(self.home)))
        return httpx.Client(base_url="http://nexus", transport=transport, timeout=30)

    def supervisor(self) -> psutil.Process:
        """The process of the supervisor."""
        return psutil.Process(self.status["supervisor"]["pid"])


@contextlib.contextmanager
def supervised(folder: Path, configuration: str = CONFIGURATION, **environment: str) -> Iterator[System]:
    """A system for the length of a block."""
    system = System(folder, configuration, environment)
    try:
        yield system.up()
    finally:
        system.nexus("down")

"""Runs an example's services by hand, with a small stand-in for Nexus that says where they are."""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Literal, TypeVar

from tests.waiting import until

EXAMPLES = Path(__file__).parents[2] / "examples"
WAIT_SECONDS = 15.0

T = TypeVar("T")


def eventually(ask: Callable[[], T | Literal[False] | None], within_seconds: float = WAIT_SECONDS) -> T:
    """The first true answer; an error or a false answer is asked again until the deadline."""
    answer = until(ask, within_seconds, despite=Exception)
    assert answer
    return answer


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Service:
    """One service of an example, as a process; its output goes to a file."""

    def __init__(self, directory: Path, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.directory, self.command, self.environment, self.log = directory, command, environment, log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it, again if it ended."""
        environment = {**os.environ, **self.environment}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command], cwd=self.directory, env=environment, stdout=log, stderr=log
            )

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and wait: the exit code, and how long it took in seconds."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(WAIT_SECONDS), time.monotonic() - began

    def close(self) -> None:
        """End it by force if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)


class StandIn:
    """Answers `GET /api/services` on a unix socket with `services`."""

    def __init__(self, path: Path) -> None:
        self.path, self.services = path, dict[str, Any]()
        self.start()

    def start(self) -> None:
        """Listen."""
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"services": stand_in.services}).encode()
                self.send_response(200 if self.path == "/api/services" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = socketserver.ThreadingUnixStreamServer(str(self.path), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        self._thread.start()

    def stop(self) -> None:
        """Leave nothing that answers."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.path.unlink()

    def say(self, name: str, *ports: int, state: str = "running", health: str = "healthy") -> None:
        """What is said of one service from now on."""
        instances = [
            {"name": f"{name}.{number}", "state": state, "health": health, "ports": {"main": port}}
            for number, port in enumerate(ports, 1)
        ]
        self.services[name] = {"state": state, "health": health, "instances": instances}

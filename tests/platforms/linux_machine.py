"""The real Linux machine for the conformance suites."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec

from events.envelope import Position
from nexus.platforms import posix_record
from nexus.platforms.base import Launch
from nexus.platforms.clock import AnchoredClock
from nexus.platforms.linux import LinuxSystem
from nexus.platforms.mailbox import AsyncMailbox
from nexus.platforms.posix_processes import PosixProcesses
from nexus.platforms.posix_tree import Tree
from nexus.platforms.sockets import SystemSockets
from tests.platforms.conformance import Program
from tests.waiting import until_async

PATH = os.environ["PATH"]
SYSTEM = LinuxSystem()
LIVES = ("sleep", "1000")
COMMANDS: dict[Program, tuple[str, ...]] = {
    "lives": LIVES,
    "ignores TERM": ("sh", "-c", "trap '' TERM; echo ready; exec sleep 1000"),
    "exits 0": ("true",),
    "exits 3": ("sh", "-c", "exit 3"),
    "missing": ("no-such-program",),
}


class LinuxMachine:
    """A home of its own; everything that was started in it is ended by `close`."""

    def __init__(self, home: Path, shell: str = "") -> None:
        self.home, self.shell = home, shell
        self.clock = AnchoredClock()
        self.mailbox = AsyncMailbox(self.clock)
        self.sockets = SystemSockets()
        self.processes = PosixProcesses(SYSTEM, home, self.mailbox.post, self.sockets, shell)
        self.log = home / "logs" / "web.1.log"
        self.free_port = free_port()

    def launch(self, program: Program, port: int = 0) -> Launch:
        """A launch of `web.1`."""
        ports = {port: "127.0.0.1"} if port else {}
        return msgspec.structs.replace(self.command(*COMMANDS[program]), ports=ports)

    def command(
        self, *argv: str, directory: str = "/", user: str = "", environment: dict[str, str] | None = None
    ) -> Launch:
        """A launch of a command of the test's own."""
        return Launch(
            instance="web.1",
            argv=argv,
            environment={"PATH": PATH, **(environment or {})},
            directory=directory,
            log_file=str(self.log),
            user=user,
        )

    async def ready(self, run: Position) -> None:
        """Until it has said "ready"."""
        await until_async(lambda: "ready" in self.said())

    def said(self) -> str:
        """Everything that `web.1` has written."""
        return self.log.read_text() if self.log.exists() else ""

    def crash(self, run: Position) -> None:
        """SIGKILL for the service itself."""
        os.kill(self.record(run).pid, signal.SIGKILL)

    @contextlib.contextmanager
    def occupy(self, port: int) -> Iterator[None]:
        """Listen on the port."""
        with socket.create_server(("127.0.0.1", port)):
            yield

    def successor(self) -> LinuxMachine:
        """Another supervisor's view; the runs are watched by both, as nothing here tells them apart."""
        return LinuxMachine(self.home, self.shell)

    def record(self, run: Position) -> posix_record.Record:
        """What the run file says."""
        return posix_record.read(self.path(run))

    def path(self, run: Position) -> Path:
        """The run file."""
        return self.processes.runs / str(run)

    def members(self, run: Position) -> list[int]:
        """Every process of the run but the shim, wherever it went."""
        return [process.pid for process in Tree(SYSTEM, self.path(run), self.record(run).shim).members()]

    def close(self) -> None:
        """End whatever a test has left."""
        for path in self.processes.runs.iterdir():
            Tree(SYSTEM, path).send(9)


def free_port() -> int:
    """A port that nobody has, outside the range from which the system hands out its own."""
    for port in range(20_000 + os.getpid() % 1000, 32_000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")

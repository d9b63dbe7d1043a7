"""The simulated world does what every world must do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from events.catalog import PortOwner
from events.envelope import Position
from nexus.platforms.base import Launch
from nexus.platforms.simulated import SimulatedPlatform
from nexus.platforms.simulated_world import CALM, Process, World
from tests.platforms.conformance import ProcessesConformance, Program, SocketsConformance, TimeConformance

FREE_PORT = 20_000


class SimulatedMachine(SimulatedPlatform):
    """A calm world in which programs do what their names say."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.free_port = FREE_PORT

    def launch(self, program: Program, port: int = 0) -> Launch:
        """A launch of `web.1`; the world's fate of the program is arranged at the same time."""
        if program == "missing":
            self.world.troubles[program] = "missing"
        self.world.watchers[:] = [lambda process: self._arrange(process, program)]
        ports = {port: "127.0.0.1"} if port else {}
        return Launch(instance="web.1", argv=(program,), environment={}, directory="/", log_file="", ports=ports)

    def _arrange(self, process: Process, program: Program) -> None:
        if program.startswith("exits"):
            self.world.later(0.01, lambda: self.world.exit(process, int(program[-1])))
        elif program == "ignores TERM":
            self.world.later(0.01, lambda: setattr(process, "ignores_term", True))

    async def ready(self, run: Position) -> None:
        """Let the moment pass after which it ignores TERM."""
        self.world.pass_time(0.02)

    def crash(self, run: Position) -> None:
        """End the run's process."""
        self.world.exit(self.world.processes[run], None, "KILL")

    @contextlib.contextmanager
    def occupy(self, port: int) -> Iterator[None]:
        """A stranger has the port; OSError where it is held."""
        if port in self.world.held:
            raise OSError(f"port {port} is held")
        self.world.strangers[port] = PortOwner(7, "stranger")
        yield
        del self.world.strangers[port]

    def successor(self) -> SimulatedMachine:
        """The next supervisor of the same world."""
        self.world.forget_supervisor()
        return SimulatedMachine(self.world)


@pytest.fixture
def machine() -> SimulatedMachine:
    """The world that is tested."""
    return SimulatedMachine(World(1, CALM))


class TestProcesses(ProcessesConformance):
    """Simulated processes."""


class TestSockets(SocketsConformance):
    """Simulated sockets."""


class TestTime(TimeConformance):
    """Simulated time."""

"""The log on a simulated disk: it may be full or slow, and its owner may die just before or after each commit."""

from __future__ import annotations

from collections.abc import Sequence

from events.envelope import Micros, Position, Recorded
from events.errors import LogFullError
from events.memory import MemoryLog
from nexus.platforms.simulated_world import SECOND, World

SLOW_SECONDS = 2.5
FILE_EVENTS = 3_000


class FaultyLog:
    """The writer that a supervisor uses; `history` is what is durable."""

    def __init__(self, world: World) -> None:
        self.inner, self.world = MemoryLog(at=world.time), world
        self.history: list[Recorded] = list(self.inner.read())
        self.failing = False
        self._opened: Position = 1

    @property
    def wants_rotation(self) -> bool:
        """Whether the file has become too large."""
        return len(self.history) - self._opened >= FILE_EVENTS

    def append(self, batch: Sequence[Recorded]) -> None:
        """Make a batch durable, or fail as a full disk does."""
        self.world.risk("before a commit")
        self._disk()
        self.inner.append(batch)
        self.history.extend(batch)
        self.world.risk("after a commit")

    def rotate(self, at: Micros, state: bytes) -> Recorded:
        """Begin a new file."""
        self.world.risk("before a rotation")
        self._disk()
        opened = self.inner.rotate(at, state)
        self.history.append(opened)
        self._opened = opened.seq
        self.world.counts["rotations"] += 1
        self.world.risk("after a rotation")
        return opened

    def position_of(self, command_id: str) -> Position | None:
        """Where a command was received."""
        return self.inner.position_of(command_id)

    def _disk(self) -> None:
        self.failing = self.world.disk_full
        if self.world.disk_full:
            raise LogFullError("the disk is full")
        if self.world.disk_slow:
            self.world.time += int(SLOW_SECONDS * SECOND)

"""The log on a simulated disk: full, slow or damaged at times, and its owner may die beside any commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from events.catalog import Event, LogDamaged, LogFull, LogOpened
from events.envelope import Micros, Position, Recorded
from events.errors import LogDamagedError, LogFullError
from events.memory import MemoryLog
from nexus.platforms.simulated_world import SECOND, World
from projections.state import State, encode, evolve_all

SLOW_SECONDS = 2.5
FILE_EVENTS = 3_000
BALLAST_EVENTS = 30
FILE = "events-1.db"


class FaultyLog:
    """The writer that supervisors use; `history` is what is durable."""

    def __init__(self, world: World) -> None:
        self.inner, self.world = MemoryLog(at=world.time), world
        self.history: list[Recorded] = list(self.inner.read())
        self.failing = False
        self._opened: Position = 1
        self._damaged = False
        self._ballast = BALLAST_EVENTS
        self._problems: list[Event] = []

    # -- what the controller needs -----------------------------------------------------------------

    @property
    def wants_rotation(self) -> bool:
        """Whether the file has become too large, or is damaged."""
        return self._damaged or len(self.history) - self._opened >= FILE_EVENTS

    def append(self, batch: Sequence[Recorded]) -> None:
        """Make a batch durable, or fail as a disk does."""
        self.world.risk("before a commit")
        self._disk(len(batch))
        if self.world.chance(self.world.faults.log_damage):
            self.world.counts["the log is damaged while it is written"] += 1
            self._damaged = True
        if self._damaged:
            raise LogDamagedError(FILE, "the disk image is malformed", len(self.history))
        self.inner.append(batch)
        self.history.extend(batch)
        self.world.risk("after a commit")

    def rotate(self, at: Micros, state: bytes) -> Recorded:
        """Begin a new file."""
        self.world.risk("before a rotation")
        self._disk(1)
        opened = self._begin(at, state, "damaged" if self._damaged else "rotated")
        if self._damaged:
            self._problems.append(LogDamaged(file=FILE, problem="malformed", last_good=opened.seq - 1))
            self._damaged = False
        self.world.counts["rotations"] += 1
        self.world.risk("after a rotation")
        return opened

    def position_of(self, command_id: str) -> Position | None:
        """Where a command was received."""
        return self.inner.position_of(command_id)

    def take_problems(self) -> list[Event]:
        """What is to be told."""
        problems, self._problems = self._problems, []
        return problems

    # -- what goes wrong ---------------------------------------------------------------------------

    def open(self, now: Micros) -> None:
        """A new supervisor opens the log; sometimes it finds the end of it damaged, and salvages what it can."""
        self._damaged = self.failing = False
        self._problems.clear()
        if self.world.chance(self.world.faults.log_damage_at_start):
            self.world.counts["the log is damaged at a start"] += 1
            last_good = max(1, len(self.history) - self.world.random.choice([0, 1, 5, 40]))
            state = encode(evolve_all(State(), self.history[:last_good]))
            self._begin(max(now, self.history[-1].at + 1), state, "damaged")
            self._problems.append(LogDamaged(file=FILE, problem="a hash is wrong", last_good=last_good))

    def _begin(self, at: Micros, state: bytes, reason: Literal["rotated", "damaged"]) -> Recorded:
        head = self.inner.head
        event = LogOpened(
            log_id=self.inner.log_id, previous_file=FILE, previous_seq=head.seq, previous_hash=head.hash.hex(),
            reason=reason, state=msgspec.Raw(state),
        )  # fmt: skip
        opened = Recorded(head.seq + 1, at, event)
        self.inner.append([opened])
        self.history.append(opened)
        self._opened = opened.seq
        return opened

    def _disk(self, events: int) -> None:
        full = self.world.disk_full
        if not full:
            self._ballast = BALLAST_EVENTS
        elif self._ballast == BALLAST_EVENTS:
            self._problems.append(LogFull(freed_bytes=4_096, error="the disk is full"))
        self._ballast -= events if full else 0
        self.failing = self._ballast < 0
        if self.failing:
            raise LogFullError("the disk is full, and so is the room that the ballast left")
        if self.world.disk_slow:
            self.world.time += int(SLOW_SECONDS * SECOND)

"""What differs between one POSIX system and another: seeing processes, watching them end, signalling the right one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec


class Process(msgspec.Struct, frozen=True):
    """One row of the process table; `created` counts in a unit of the system's own."""

    pid: int
    parent: int
    group: int
    session: int
    created: int
    zombie: bool


class System(Protocol):
    """The part of a POSIX system that POSIX does not describe."""

    @property
    def second(self) -> int:
        """How many units of `created` are a second."""

    def watch(self, pid: int) -> int:
        """A descriptor that becomes readable when the process ends; raises OSError."""

    def unwatch(self, handle: int) -> None:
        """Close such a descriptor."""

    def status(self, pid: int, handle: int) -> int | None:
        """The wait status of an ended process that is not our child, None when nobody can tell."""

    def look(self, pid: int) -> Process | None:
        """One process, or None when there is none."""

    def processes(self) -> Iterable[Process]:
        """The process table."""

    def environment(self, pid: int) -> Sequence[bytes]:
        """The environment that the process was started with; nothing where that may not be seen."""

    def has_open(self, pid: int, descriptor: int, path: Path) -> bool:
        """Whether that descriptor of the process is that file; False where that may not be seen."""

    def send(self, targets: Collection[Process], number: int) -> set[Process]:
        """Signal each of them and no stranger that has got its pid meanwhile; those that it reached."""

    def gather_orphans(self) -> bool:
        """Have every process below us whose parent ends become our child; whether that works and they are listed."""

    def children(self) -> set[int]:
        """The pids of our children, zombies too; empty where they are not listed."""

"""Processes on macOS: kqueue and psutil. Written from the documentation; type-checked, not run on a Mac by us.

Without subreapers and /proc, what a crashed service left behind is found by its group, its lock and the marker in its
environment only, which the system shows for processes of the same user.
"""

from __future__ import annotations

import sys

assert sys.platform == "darwin"

import os
import select
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import psutil

from nexus.platforms.posix_system import Process

_NOTE_EXITSTATUS = 0x04000000  # sys/event.h; the wait status comes in the event's data


class MacosSystem:
    """macOS 10.15 and later; see `System`."""

    second = 1_000_000

    def __init__(self) -> None:
        self._queues: dict[int, select.kqueue] = {}

    def watch(self, pid: int) -> int:
        """A kqueue of its own for each process; ProcessLookupError when it is gone already."""
        queue = select.kqueue()
        flags = select.KQ_EV_ADD | select.KQ_EV_ONESHOT
        fflags = select.KQ_NOTE_EXIT | _NOTE_EXITSTATUS
        try:
            queue.control([select.kevent(pid, select.KQ_FILTER_PROC, flags, fflags)], 0)
        except OSError:
            queue.close()
            raise
        self._queues[queue.fileno()] = queue
        return queue.fileno()

    def unwatch(self, handle: int) -> None:
        """Close a kqueue."""
        self._queues.pop(handle).close()

    def status(self, pid: int, handle: int) -> int | None:
        """NOTE_EXITSTATUS gives it for processes that this user may debug."""
        events = self._queues[handle].control(None, 1, 0)
        return int(events[0].data) if events else None

    def look(self, pid: int) -> Process | None:
        """From psutil; `created` counts microseconds since 1970."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                return Process(
                    pid,
                    process.ppid(),
                    os.getpgid(pid),
                    os.getsid(pid),
                    int(process.create_time() * self.second),
                    process.status() == psutil.STATUS_ZOMBIE,
                )
        except (psutil.Error, OSError):
            return None

    def processes(self) -> Iterator[Process]:
        """Everything that psutil lists."""
        for pid in psutil.pids():
            if (process := self.look(pid)) is not None:
                yield process

    def environment(self, pid: int) -> Sequence[bytes]:
        """Of processes of the same user."""
        try:
            return [os.fsencode(f"{name}={value}") for name, value in psutil.Process(pid).environ().items()]
        except (psutil.Error, OSError):
            return []

    def has_open(self, pid: int, descriptor: int, path: Path) -> bool:
        """psutil lists open files with their descriptors."""
        try:
            return any(file.fd == descriptor and file.path == str(path) for file in psutil.Process(pid).open_files())
        except (psutil.Error, OSError):
            return False

    def send(self, targets: Collection[Process], number: int) -> set[Process]:
        """Each is looked at just before its signal: without pidfds, a pid may still change hands in between."""
        reached: set[Process] = set()
        for process in targets:
            now = self.look(process.pid)
            if now is not None and now.created == process.created:
                try:
                    os.kill(process.pid, number)
                except OSError:  # gone meanwhile, or not ours to signal
                    continue
                reached.add(process)
        return reached

    def gather_orphans(self) -> bool:
        """Orphans go to launchd."""
        return False

    def children(self) -> set[int]:
        """Not needed where no orphans come."""
        return set()

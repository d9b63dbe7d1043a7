"""Everything that a run has started: found by marker, inherited lock, session or parent, and signalled safely."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import contextlib
import os
import signal as signals
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

MARKER = "NEXUS_RUN_FILE"
"""The environment variable that names a run for everything below it: the path of the run file, unique on a machine."""

PASSES_MAX = 20


class Process(msgspec.Struct, frozen=True):
    """One row of the process table; `created` counts clock ticks since boot."""

    pid: int
    parent: int
    group: int
    session: int
    created: int
    zombie: bool


class Tree(msgspec.Struct, frozen=True):
    """What identifies the processes of a run.

    Its file; its leader (the shim) while that one lives; orphans that are known to be its own; and `since`, when it
    began, in ticks: nothing older belongs to it.
    """

    run_file: Path
    leader: int = 0
    orphans: frozenset[int] = frozenset()
    since: int = 0

    def members(self) -> list[Process]:
        """Everything alive that belongs to the run, parents before their children, the shim left out."""
        table = {process.pid: process for process in processes()}
        found = {pid for pid, process in table.items() if self._is_marked(process)}
        frontier = found
        while frontier:
            children = {pid for pid, process in table.items() if process.parent in frontier and self._may(pid)}
            frontier = children - found
            found |= frontier
        alive = [table[pid] for pid in found if not table[pid].zombie]
        return sorted(alive, key=lambda process: (process.created, process.pid))

    def owns(self, pid: int) -> bool:
        """Whether that process is alive and belongs to the run by marker, lock or session."""
        process = look(pid)
        return process is not None and not process.zombie and self._is_marked(process)

    def kill(self) -> int:
        """Kill every member, and those that they started meanwhile; how many it reached."""
        reached: set[Process] = set()
        for _ in range(PASSES_MAX):
            known = {(process.pid, process.created) for process in reached}
            hit = send([it for it in self.members() if (it.pid, it.created) not in known], signals.SIGKILL)
            if not hit:
                break
            reached |= hit
        return len(reached)

    def _may(self, pid: int) -> bool:
        """Never the shim, never ourselves and what we started, though a service may have started us."""
        return pid not in (self.leader, os.getpid(), 1)

    def _is_marked(self, process: Process) -> bool:
        if not self._may(process.pid) or process.created < self.since:
            return False
        return (
            process.pid in self.orphans
            or (self.leader > 0 and self.leader in (process.session, process.group))
            or has_lock(process.pid, self.run_file)
            or f"{MARKER}={self.run_file}".encode() in environment(process.pid)
        )


def send(targets: Sequence[Process], number: int) -> set[Process]:
    """Signal each of them; those that it reached.

    Handles on all of them come first, then the signal: a killed parent must not hide its children.
    """
    handles: dict[Process, int] = {}
    reached: set[Process] = set()
    try:
        for process in targets:
            if (handle := _handle(process)) is not None:
                handles[process] = handle
        for process, handle in handles.items():
            try:
                signals.pidfd_send_signal(handle, number)
                reached.add(process)
            except OSError:  # gone meanwhile, or not ours to signal
                continue
    finally:
        for handle in handles.values():
            os.close(handle)
    return reached


def signal_group(group: int, number: int, leader: int, spared: int) -> int:
    """Signal a process group of a run, never our own; how many it reached, the run's leader not counted.

    A group with a `spared` process in it is signalled one by one.
    """
    if group in (0, os.getpgrp()):
        return 0
    members = [process for process in processes() if process.group == group and process.pid != leader]
    if spared and spared == group:
        return len(send(members, number))
    try:
        os.killpg(group, number)
    except OSError:  # nobody is left
        return 0
    return len(members)


def kill_group(leader: int) -> None:
    """Kill what is left in the group of a leader that is not reaped yet."""
    with contextlib.suppress(OSError):
        os.killpg(leader, signals.SIGKILL)


def group_lives(number: int) -> bool:
    """Whether anybody, be it a zombie, is left in the process group."""
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _handle(process: Process) -> int | None:
    """A pidfd, opened first and looked at second: the pid may have passed to a stranger in between."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return None
    now = look(process.pid)
    if now is not None and now.created == process.created:
        return handle
    os.close(handle)
    return None


def look(pid: int) -> Process | None:
    """One process, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), fields[0] in (b"Z", b"X"))


def processes() -> Iterator[Process]:
    """The process table."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (process := look(int(name))) is not None:
            yield process


def has_lock(pid: int, run_file: Path) -> bool:
    """Whether the process has the run file open where the shim left it."""
    try:
        return os.readlink(f"/proc/{pid}/fd/4") == str(run_file)
    except OSError:
        return False


def environment(pid: int) -> list[bytes]:
    """The environment that the process was started with; nothing where that may not be seen."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []

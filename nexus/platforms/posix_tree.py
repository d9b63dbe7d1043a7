"""Everything that a run has started: found by marker, inherited lock, session or parent, and signalled safely."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import os
import signal as signals
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from nexus.platforms.posix_system import Process, System

MARKER = "NEXUS_RUN_FILE"
"""The environment variable that names a run for everything below it: the path of the run file, unique on a machine."""

LOCK = 4
"""The descriptor at which everything below a run inherits its lock."""

PASSES_MAX = 20


@dataclass(frozen=True)
class Tree:
    """What identifies the processes of a run.

    Its file; its leader (the shim) while that one lives; orphans that are known to be its own; and `since`, when it
    began: nothing that was created before belongs to it.
    """

    system: System
    run_file: Path
    leader: int = 0
    orphans: frozenset[int] = frozenset()
    since: int = 0

    def members(self) -> list[Process]:
        """Everything alive that belongs to the run, parents before their children, the shim left out."""
        table = {process.pid: process for process in self.system.processes()}
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
        process = self.system.look(pid)
        return process is not None and not process.zombie and self._is_marked(process)

    def send(self, number: int) -> int:
        """Signal every member, and those that they started meanwhile; how many it reached."""
        reached: set[tuple[int, int]] = set()
        for _ in range(PASSES_MAX):
            fresh = [process for process in self.members() if (process.pid, process.created) not in reached]
            hit = self.system.send(fresh, number)
            if not hit:
                break
            reached |= {(process.pid, process.created) for process in hit}
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
            or self.system.has_open(process.pid, LOCK, self.run_file)
            or os.fsencode(f"{MARKER}={self.run_file}") in self.system.environment(process.pid)
        )


class Zombies:
    """Reaps the orphans that have ended.

    A zombie may be a child that other code here is about to wait for: only the second look at the same one reaps it.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._seen: set[int] = set()

    def look(self, but: AbstractSet[int]) -> None:
        """Reap what was a zombie at the last look too, `but` those that are waited for."""
        children = self._system.children() - but
        ended = {pid for pid in children if (process := self._system.look(pid)) is not None and process.zombie}
        for pid in ended & self._seen:
            reap(pid)
        self._seen = ended - self._seen


def reap(pid: int, options: int = os.WNOHANG) -> int | None:
    """The wait status of a child of ours that has ended, else None."""
    try:
        ended, status = os.waitpid(pid, options) if pid > 0 else (0, 0)  # 0 would be any child of our group
    except ChildProcessError:  # it was started by an earlier supervisor
        return None
    return status if ended else None


def signal_group(system: System, group: int, number: int, leader: int, spared: int) -> int:
    """Signal a process group of a run, never our own; how many it reached, the run's leader not counted.

    A group with a `spared` process in it is signalled one by one.
    """
    if group in (0, os.getpgrp()):
        return 0
    members = [process for process in system.processes() if process.group == group and process.pid != leader]
    if spared and spared == group:
        return len(system.send(members, number))
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

"""Limits of processes that run: nice and processors of each thread, disk priority and rlimits of each process."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import resource
from collections.abc import Callable, Iterator

import psutil

from events.catalog import Limits, Priority, Rejected

NICE: dict[Priority, int] = {"high": -5, "normal": 0, "low": 10}
DISK: dict[Priority, int] = {"high": 0, "normal": 4, "low": 7}
"""Levels of the best-effort class, 0 is served first."""

Step = tuple[str, Callable[[], None]]


class LinuxLimiter:
    """Each limit is set by itself: one that is refused does not keep the others from being set."""

    def apply(self, pid: int, limits: Limits) -> tuple[tuple[str, ...], tuple[Rejected, ...]]:
        """Limit a process and everything that it started; what ended meanwhile needs no limit."""
        pids = _tree(pid)
        applied: list[str] = []
        refused: list[Rejected] = []
        for what, act in _steps(pids, limits):
            try:
                act()
                applied.append(what)
            except (OSError, ValueError, psutil.Error) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                refused.append(Rejected(what, reason.lower()))
        return tuple(applied), tuple(refused)


def _steps(pids: list[int], limits: Limits) -> Iterator[Step]:
    threads = [thread for pid in pids for thread in _threads(pid)]
    nice, disk = NICE[limits.priority], DISK[limits.priority]
    yield f"nice {nice}", lambda: _each(threads, lambda it: os.setpriority(os.PRIO_PROCESS, it, nice))
    yield (
        f"disk priority {disk}",
        lambda: _each(pids, lambda it: psutil.Process(it).ionice(psutil.IOPRIO_CLASS_BE, disk)),
    )
    cpus = limits.cpus or tuple(sorted(os.sched_getaffinity(0)))
    yield f"processors {', '.join(map(str, cpus))}", lambda: _each(threads, lambda it: os.sched_setaffinity(it, cpus))
    for what, number, value in (
        ("open files", resource.RLIMIT_NOFILE, limits.open_files),
        ("processes of its user", resource.RLIMIT_NPROC, limits.processes),
    ):
        soft, hard = resource.getrlimit(number) if value is None else (value, value)
        yield f"{what} {'as Nexus' if value is None else value}", _bound(pids, number, soft, hard)


def _bound(pids: list[int], number: int, soft: int, hard: int) -> Callable[[], None]:
    return lambda: _each(pids, lambda pid: resource.prlimit(pid, number, (soft, hard)))


def _each(pids: list[int], act: Callable[[int], object]) -> None:
    for pid in pids:
        try:
            act(pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue


def _tree(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return []


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []

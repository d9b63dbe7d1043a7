"""What processes use, through psutil: for systems without a faster way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

import psutil

from nexus.platforms.base import Figures, Machine


class PortableMeter:
    """Every process is looked at once, to know the children of each."""

    def __init__(self) -> None:
        self._trees: dict[str, list[psutil.Process]] = {}

    def look(self, roots: Mapping[str, int]) -> Mapping[str, Figures]:
        """The figures of each instance; one that has ended meanwhile is left out."""
        children: dict[int, list[psutil.Process]] = {}
        processes = {process.pid: process for process in psutil.process_iter()}
        for process in processes.values():
            with contextlib.suppress(psutil.Error):
                children.setdefault(process.ppid(), []).append(process)
        self._trees = {name: _tree(processes[pid], children) for name, pid in roots.items() if pid in processes}
        found = {name: [one for one in map(_figures, tree) if one] for name, tree in self._trees.items()}
        return {name: _sum(figures) for name, figures in found.items() if figures}

    def own_memory(self, instance: str) -> int | None:
        """The memory that nobody else has, or its share, whichever the system tells."""
        total = None
        for process in self._trees.get(instance, []):
            with contextlib.suppress(psutil.Error):
                told: Any = process.memory_full_info()
                total = (total or 0) + int(getattr(told, "pss", 0) or told.uss)
        return total

    def machine(self) -> Machine:
        """The whole machine."""
        times: Any = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        memory = psutil.virtual_memory()
        busy_seconds = sum(times[: min(len(times), 8)]) - idle
        return Machine(os.cpu_count() or 1, busy_seconds, memory.total, memory.available)


def _tree(root: psutil.Process, children: Mapping[int, list[psutil.Process]]) -> list[psutil.Process]:
    found = [root]
    if root.pid == os.getpid():
        return found
    for process in found:
        found += [child for child in children.get(process.pid, []) if child not in found]
    return found


def _figures(process: psutil.Process) -> Figures | None:
    try:
        with process.oneshot():
            times: Any = process.cpu_times()
            cpu_seconds = times.user + times.system + getattr(times, "children_user", 0.0)
            cpu_seconds += getattr(times, "children_system", 0.0)
            memory, threads = process.memory_info().rss, process.num_threads()
    except psutil.Error:
        return None
    files = read = written = None
    with contextlib.suppress(psutil.Error, AttributeError):
        told: Any = process
        files = told.num_fds() if hasattr(process, "num_fds") else told.num_handles()
        done = told.io_counters()
        read, written = done.read_bytes, done.write_bytes
    return Figures(cpu_seconds, memory, 1, threads, files, read, written)


def _sum(figures: list[Figures]) -> Figures:
    def total(name: str) -> int | None:
        values = [getattr(one, name) for one in figures]
        return None if None in values else sum(values)

    return Figures(
        sum(one.cpu_seconds for one in figures), sum(one.memory_bytes for one in figures), len(figures),
        sum(one.threads for one in figures), total("files"), total("read_bytes"), total("written_bytes"),
    )  # fmt: skip

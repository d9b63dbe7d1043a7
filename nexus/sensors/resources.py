"""Measures what every instance uses: each second into the samples store, each minute into the log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from events.catalog import DiskUsage, MachineUsage, ResourcesMeasured, Usage
from events.envelope import Draft, Micros
from events.sample_files import HIGHEST, UNKNOWN, Row
from events.samples import Samples, hour_of
from nexus.platforms.base import Clock, Figures, Machine, Meter
from nexus.sensors.memory import MemoryWatch
from projections.state import State

LOOK_EVERY_SECONDS = 1.0
TICKS_A_MINUTE = 60
OURSELVES = "nexus"
"""The name under which the supervisor's own figures are kept."""


class Minute:
    """What one instance used since the last report."""

    __slots__ = ("cpu", "first", "last", "memory")

    def __init__(self, first: Figures) -> None:
        self.first = self.last = first
        self.cpu: list[float] = []
        self.memory: list[int] = []

    def usage(self, own_memory_bytes: int | None) -> Usage:
        """The report."""
        cpu, memory, last = self.cpu or [0.0], self.memory or [0], self.last
        return Usage(
            round(statistics.fmean(cpu), 3), round(max(cpu), 3), int(statistics.fmean(memory)) >> 10, max(memory) >> 10,
            None if own_memory_bytes is None else own_memory_bytes >> 10, last.processes, last.threads, last.files,
            _kib(self.first.read_bytes, last.read_bytes), _kib(self.first.written_bytes, last.written_bytes),
        )  # fmt: skip


def _kib(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before) >> 10


class ResourceSensor:
    """One look a second at everything that runs; `state` tells what that is."""

    def __init__(
        self, meter: Meter, samples: Samples, clock: Clock, post: Callable[[Draft], None],
        state: Callable[[], State], home: Path,
    ) -> None:  # fmt: skip
        self.meter, self.samples, self.clock, self.post = meter, samples, clock, post
        self.state, self.home = state, home
        self._pids: dict[str, int] = {}
        self._before: Mapping[str, Figures] = {}
        self._at: Micros = 0
        self._minutes: dict[str, Minute] = {}
        self._own_memory: dict[str, int | None] = {}
        self._since, self._ticks, self._machine = clock.now(), 0, meter.machine()
        self._sealed_hour = ""
        self._memory = MemoryWatch(post)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            at = self.look()
            if hour_of(at) != self._sealed_hour:
                self._sealed_hour = hour_of(at)
                for event in await asyncio.to_thread(self.samples.seal, at, self.state().resources.sealed):
                    self.post(Draft(event))

    def look(self) -> Micros:
        """Measure everything once; the moment at which that was done."""
        at = self.clock.now()
        roots = self._roots()
        now = self.meter.look(roots)
        seconds = (at - self._at) / 1e6
        rows = {name: self._row(name, figures, seconds, roots) for name, figures in now.items()}
        self._before, self._pids, self._at = now, roots, at
        self.samples.add(at, rows)
        self._memory.look(self.state(), now, seconds)
        self._ticks += 1
        self._look_closer(list(now))
        if self._ticks % TICKS_A_MINUTE == 0:
            self._report(at)
        for problem in self.samples.take_problems():
            self.post(Draft(problem))
        return at

    def _roots(self) -> dict[str, int]:
        instances = self.state().services.instances.values()
        return {OURSELVES: os.getpid(), **{it.name: it.pid for it in instances if it.pid}}

    def _row(self, name: str, now: Figures, seconds: float, roots: Mapping[str, int]) -> Row:
        before = self._before.get(name) if self._pids.get(name) == roots[name] else None
        minute = self._minutes.get(name)
        if minute is None or before is None:
            minute = self._minutes[name] = Minute(now)
        minute.last = now
        minute.memory.append(now.memory_bytes)
        cpu: float | None = None
        if before is not None:
            cpu = max(0.0, now.cpu_seconds - before.cpu_seconds) / seconds
            minute.cpu.append(cpu)
        return (
            UNKNOWN if cpu is None else round(cpu * 100), min(now.memory_bytes >> 10, HIGHEST), now.processes,
            now.threads, UNKNOWN if now.files is None else now.files,
            _rate(before.read_bytes if before else None, now.read_bytes, seconds),
            _rate(before.written_bytes if before else None, now.written_bytes, seconds),
        )  # fmt: skip

    def _look_closer(self, names: list[str]) -> None:
        """What costs more is measured once a minute of each instance, never of all at once."""
        for name in names[self._ticks % TICKS_A_MINUTE :: TICKS_A_MINUTE]:
            self._own_memory[name] = self.meter.own_memory(name)

    def _report(self, at: Micros) -> None:
        machine = self.meter.machine()
        usages = {name: minute.usage(self._own_memory.get(name)) for name, minute in self._minutes.items()}
        ours = usages.pop(OURSELVES, None)
        self.post(Draft(ResourcesMeasured(
            since=self._since, instances=usages, supervisor=ours,
            machine=_machine(self._machine, machine, (at - self._since) / 1e6, self._folders()),
        )))  # fmt: skip
        self._minutes = {name: Minute(figures) for name, figures in self._before.items()}
        self._own_memory = {name: it for name, it in self._own_memory.items() if name in self._minutes}
        self._since, self._machine = at, machine

    def _folders(self) -> Iterable[Path]:
        """The home, and the folders of services that lie on another disk."""
        declared = self.state().services.declared.values()
        return [self.home, self.home / "data", *(Path(it.directory) for it in declared if it.directory.startswith("/"))]


def _rate(before: int | None, after: int | None, seconds: float) -> int:
    """KiB a second."""
    if before is None or after is None:
        return UNKNOWN
    return min(int(max(0, after - before) / 1024 / seconds), HIGHEST)


def _machine(before: Machine, now: Machine, seconds: float, folders: Iterable[Path]) -> MachineUsage:
    return MachineUsage(
        cores=now.cores, cpu=round(max(0.0, now.busy_seconds - before.busy_seconds) / max(seconds, 0.001), 2),
        memory_total_kib=now.memory_total_bytes >> 10, memory_available_kib=now.memory_available_bytes >> 10,
        disks=_disks(folders),
    )  # fmt: skip


def _disks(folders: Iterable[Path]) -> dict[str, DiskUsage]:
    """The room on each disk, by the first folder that lies on it."""
    found: dict[int, tuple[str, DiskUsage]] = {}
    for folder in folders:
        with contextlib.suppress(OSError):
            device = folder.stat().st_dev
            if device not in found:
                usage = shutil.disk_usage(folder)
                found[device] = str(folder), DiskUsage(usage.free >> 20, usage.total >> 20)
    return dict(found.values())

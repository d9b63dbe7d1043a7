"""What people and programs are shown of the use of resources: the last minute, the present second, and series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from events.catalog import Usage
from events.envelope import Micros, Position
from events.sample_files import COLUMNS, UNKNOWN, Row
from projections.conditions import instances_of
from projections.moments import iso
from projections.state import State
from projections.views import service_names

SHOWN = {"cpu_percent": ("cpu", 0.01), "memory_kib": ("memory_bytes", 1024.0), "read_kib_s": ("read_bytes_s", 1024.0),
         "written_kib_s": ("written_bytes_s", 1024.0)}  # fmt: skip
"""How a column of samples is called where people see it, and what its figures are multiplied by."""


class UsageView(msgspec.Struct, frozen=True):
    """What was used over a minute: `cpu` in cores, memory in bytes; null is what the system does not tell."""

    cpu_mean: float
    cpu_max: float
    memory_mean_bytes: int
    memory_max_bytes: int
    own_memory_bytes: int | None
    processes: int
    threads: int
    files: int | None
    read_bytes: int | None
    written_bytes: int | None


class NowView(msgspec.Struct, frozen=True):
    """What is used at one moment; disk in bytes a second."""

    at: str
    cpu: float | None
    memory_bytes: int | None
    processes: int | None
    threads: int | None
    files: int | None
    read_bytes_s: int | None
    written_bytes_s: int | None


class InstanceUsageView(msgspec.Struct, frozen=True):
    """One instance: its last minute, and the last second where that was asked for."""

    minute: UsageView | None
    now: NowView | None


class DiskView(msgspec.Struct, frozen=True):
    """The room on the disk that a folder lies on."""

    free_bytes: int
    total_bytes: int


class MachineView(msgspec.Struct, frozen=True):
    """The whole machine, `cpu` in cores."""

    cores: int
    cpu: float
    memory_total_bytes: int
    memory_available_bytes: int
    disks: dict[str, DiskView]


class ResourcesView(msgspec.Struct, frozen=True):
    """What everything uses; `since` and `until` bound the last minute that was measured, null before the first one."""

    seq: Position
    at: str
    since: str | None
    until: str | None
    machine: MachineView | None
    supervisor: InstanceUsageView
    services: dict[str, dict[str, InstanceUsageView]]


class Figures(msgspec.Struct, frozen=True):
    """Figures over time: null where nothing is known."""

    min: list[float | None]
    mean: list[float | None]
    max: list[float | None]


class SeriesView(msgspec.Struct, frozen=True):
    """What the instances of a service used over time: point N stands for the `seconds` that begin at `moments[N]`.

    `instances` has the figures of each by name: `cpu` in cores, `memory_bytes`, `processes`, `threads`, `files`,
    `read_bytes_s`, `written_bytes_s`. `problems` say which hours could not be read.
    """

    seq: Position
    at: str
    service: str
    since: str
    until: str
    seconds: float
    moments: list[str]
    instances: dict[str, dict[str, Figures]]
    problems: list[str]


def resources(state: State, now: Mapping[str, tuple[Micros, Row]], supervisor: str) -> ResourcesView:
    """What everything uses; `now` are the last rows by instance, that of Nexus under the name `supervisor`."""
    known = state.resources
    names = [it for name in service_names(state) for it in instances_of(state, name)]
    services: dict[str, dict[str, InstanceUsageView]] = {}
    for one in names:
        services.setdefault(one.service, {})[one.name] = InstanceUsageView(
            _usage(known.by_instance.get(one.name)), _now(now.get(one.name))
        )
    return ResourcesView(
        seq=state.seq, at=iso(state.at), since=iso(known.since) if known.at else None,
        until=iso(known.at) if known.at else None, machine=_machine(state) if known.at else None,
        supervisor=InstanceUsageView(_usage(known.supervisor), _now(now.get(supervisor))), services=services,
    )  # fmt: skip


def _usage(usage: Usage | None) -> UsageView | None:
    if usage is None:
        return None
    return UsageView(
        usage.cpu_mean, usage.cpu_max, usage.memory_mean_kib * 1024, usage.memory_max_kib * 1024,
        _bytes(usage.own_memory_kib), usage.processes, usage.threads, usage.files, _bytes(usage.read_kib),
        _bytes(usage.written_kib),
    )  # fmt: skip


def _bytes(kib: int | None) -> int | None:
    return None if kib is None else kib * 1024


def _now(sample: tuple[Micros, Row] | None) -> NowView | None:
    if sample is None:
        return None
    at, row = sample
    cpu, *others = (None if it == UNKNOWN else it for it in row)
    memory_kib, processes, threads, files, read_kib_s, written_kib_s = others
    return NowView(
        iso(at), None if cpu is None else cpu / 100, _bytes(memory_kib), processes, threads, files,
        _bytes(read_kib_s), _bytes(written_kib_s),
    )  # fmt: skip


def _machine(state: State) -> MachineView:
    machine = state.resources.machine
    disks = {
        folder: DiskView(disk.free_mib << 20, disk.total_mib << 20) for folder, disk in machine.disks.items()
    }  # fmt: skip
    return MachineView(
        machine.cores, machine.cpu, machine.memory_total_kib * 1024, machine.memory_available_kib * 1024, disks
    )


class Point:
    """What is known of one column in one stretch of a series."""

    __slots__ = ("count", "highest", "lowest", "total")

    def __init__(self) -> None:
        self.count = self.total = 0
        self.lowest, self.highest = UNKNOWN, 0

    def add(self, figure: int) -> None:
        """One more figure."""
        self.count += 1
        self.total += figure
        self.lowest, self.highest = min(self.lowest, figure), max(self.highest, figure)


def series(
    rows: Iterable[tuple[str, Micros, Row]], since: Micros, until: Micros, points: int
) -> dict[str, dict[str, Figures]]:
    """The figures of each instance in `points` equal stretches: no peak is lost, however long they are."""
    found: dict[str, list[list[Point | None]]] = {}
    length = max(1, until - since)
    for instance, at, row in rows:
        place = min(points - 1, (at - since) * points // length)
        columns = found.setdefault(instance, [[None] * points for _ in COLUMNS])
        for column, figure in zip(columns, row, strict=True):
            if figure != UNKNOWN:
                point = column[place] = column[place] or Point()
                point.add(figure)
    return {
        instance: {
            SHOWN.get(name, (name, 1.0))[0]: _figures(column, SHOWN.get(name, (name, 1.0))[1])
            for name, column in zip(COLUMNS, columns, strict=True)
        }
        for instance, columns in found.items()
    }


def _figures(column: list[Point | None], factor: float) -> Figures:
    return Figures(
        [round(it.lowest * factor, 3) if it else None for it in column],
        [round(it.total / it.count * factor, 3) if it else None for it in column],
        [round(it.highest * factor, 3) if it else None for it in column],
    )


def series_view(
    state: State, service: str, figures: dict[str, dict[str, Figures]], bounds: tuple[Micros, Micros], points: int,
    problems: list[str],
) -> SeriesView:  # fmt: skip
    """The series of a service between two moments."""
    since, until = bounds
    return SeriesView(
        seq=state.seq, at=iso(state.at), service=service, since=iso(since), until=iso(until),
        seconds=round((until - since) / points / 1e6, 3),
        moments=[iso(since + (until - since) * number // points) for number in range(points)],
        instances=figures, problems=problems,
    )  # fmt: skip

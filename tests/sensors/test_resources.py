"""What the resource sensor keeps and posts, of figures that a test gives it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from events.catalog import Event, ResourcesMeasured
from events.envelope import Draft, Micros
from events.sample_files import UNKNOWN
from events.samples import Samples, read
from nexus.platforms.base import Figures, Machine
from nexus.sensors.resources import OURSELVES, TICKS_A_MINUTE, ResourceSensor
from projections.services import Instance, Services
from projections.state import State

NOON = 1_772_366_400_000_000
MIB = 1 << 20
IDLE = Figures(1.0, 10 * MIB, 1, 1, 3, 0, None)


class Given:
    """A clock and a meter that show what a test says."""

    def __init__(self, home: Path) -> None:
        self.time: Micros = NOON
        self.figures = {OURSELVES: IDLE, "web.1": IDLE}
        self.busy_seconds = 0.0
        self.asked: list[str] = []
        self.posted: list[Event] = []
        self.pid = 4711
        self.home = home
        self.sensor = ResourceSensor(
            self, Samples(home, 1 << 30, 86_400.0), self, lambda draft: self._post(draft), self._state, home
        )  # fmt: skip

    def _post(self, draft: Draft) -> None:
        self.posted.append(draft.event)

    def _state(self) -> State:
        return State(services=Services(instances={
            "web.1": Instance("web.1", "web", pid=self.pid), "db.1": Instance("db.1", "db"),
        }))  # fmt: skip

    def now(self) -> Micros:
        """The moment that the test says."""
        return self.time

    def look(self, roots: Mapping[str, int]) -> Mapping[str, Figures]:
        """The figures that the test says."""
        assert roots == {OURSELVES: os.getpid(), "web.1": self.pid}
        return dict(self.figures)

    def own_memory(self, instance: str) -> int | None:
        """Five MiB, and who was asked about."""
        self.asked.append(instance)
        return 5 * MIB

    def machine(self) -> Machine:
        """Two cores."""
        return Machine(2, self.busy_seconds, 1000 * MIB, 400 * MIB)

    def tick(self, seconds: float = 1.0, **changes: float) -> None:
        """A second later the web service has used more."""
        self.time += int(seconds * 1_000_000)
        self.figures["web.1"] = msgspec.structs.replace(self.figures["web.1"], **changes)
        self.sensor.look()

    def rows(self) -> list[tuple[int, ...]]:
        """What is kept of the web service."""
        problems: list[str] = []
        found = [row for _, _, row in read(self.home, ["web.1"], 0, self.time, problems)]
        assert problems == []
        return found


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """A world of one service."""
    return Given(tmp_path)


def test_each_second_is_kept(given: Given) -> None:
    """Processor time and disk as rates, unknown where there is nothing to compare with or nobody tells."""
    given.tick()
    given.tick(cpu_seconds=1.25, read_bytes=MIB, memory_bytes=20 * MIB)
    given.tick(2.0, cpu_seconds=2.25, threads=4)
    assert given.rows() == [
        (UNKNOWN, 10_240, 1, 1, 3, UNKNOWN, UNKNOWN),
        (25, 20_480, 1, 1, 3, 1024, UNKNOWN),
        (50, 20_480, 1, 4, 3, 0, UNKNOWN),
    ]
    assert given.posted == []


def test_another_run_is_not_compared_with_the_one_before(given: Given) -> None:
    """Its processor time began anew."""
    given.tick()
    given.pid = 4712
    given.tick(cpu_seconds=0.5)
    given.tick(cpu_seconds=0.1)
    assert [row[0] for row in given.rows()] == [UNKNOWN, UNKNOWN, 0]


def test_each_minute_is_reported(given: Given) -> None:
    """Mean and highest of what was used, the disk over the whole minute, the machine, and the room on each disk."""
    given.tick()
    for second in range(TICKS_A_MINUTE - 1):
        given.busy_seconds = 30.0
        given.tick(cpu_seconds=1.0 + second / 10, memory_bytes=(10 + second) * MIB, read_bytes=second * MIB)
    (report,) = given.posted
    assert isinstance(report, ResourcesMeasured)
    web = report.instances["web.1"]
    assert report.since == NOON
    assert (web.cpu_mean, web.cpu_max) == (0.098, 0.1)
    assert (web.memory_max_kib >> 10, web.own_memory_kib) == (68, 5 * 1024)
    assert (web.read_kib, web.written_kib, web.files) == (58 * 1024, None, 3)
    assert report.supervisor is not None
    assert (report.supervisor.cpu_mean, set(report.instances)) == (0.0, {"web.1"})
    machine = report.machine
    assert (machine.cores, machine.cpu, machine.memory_total_kib >> 10) == (2, 0.5, 1000)
    assert [str(given.home)] == list(machine.disks)
    assert machine.disks[str(given.home)].free_mib > 0


def test_what_costs_more_is_measured_once_a_minute(given: Given) -> None:
    """Each instance in its own second."""
    for _ in range(2 * TICKS_A_MINUTE):
        given.tick()
    assert sorted(given.asked) == [OURSELVES, OURSELVES, "web.1", "web.1"]
    assert len(given.posted) == 2

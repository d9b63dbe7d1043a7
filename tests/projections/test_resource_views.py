"""What people are shown of the use of resources."""

from __future__ import annotations

from events.catalog import DiskUsage, MachineUsage, ResourcesMeasured, Usage
from events.sample_files import UNKNOWN, WIDTH
from projections.resource_views import Figures, resources, series, series_view
from tests.given import World, asked, service

USAGE = Usage(0.5, 0.9, 2, 4, None, 1, 3, 7, 5, None)
NOTHING = (UNKNOWN,) * WIDTH
ROW = (25, 2, 1, 3, UNKNOWN, 1, UNKNOWN)


def test_before_the_first_minute_only_the_present_second_is_known() -> None:
    """Null, not zero, for what nobody has measured."""
    world = World(service("web"), service("nexus-api", category="internal"))
    world.when(asked("up"))
    shown = resources(world.state, {"web.1": (5, ROW)}, "nexus")
    assert (shown.since, shown.until, shown.machine) == (None, None, None)
    assert list(shown.services) == ["web"]
    web = shown.services["web"]["web.1"]
    assert web.minute is None
    assert web.now is not None
    assert (web.now.cpu, web.now.memory_bytes, web.now.read_bytes_s) == (0.25, 2048, 1024)
    assert (web.now.files, web.now.written_bytes_s) == (None, None)
    assert (shown.supervisor.minute, shown.supervisor.now) == (None, None)


def test_the_last_minute_in_units_of_people() -> None:
    """Bytes and cores; the machine and its disks too."""
    world = World(service("web"))
    machine = MachineUsage(2, 0.5, 1024, 512, {"/": DiskUsage(1, 2)})
    world.when(ResourcesMeasured(since=1, instances={"web.1": USAGE}, supervisor=USAGE, machine=machine))
    shown = resources(world.state, {"nexus": (5, NOTHING)}, "nexus")
    minute = shown.services["web"]["web.1"].minute
    assert minute is not None
    assert (minute.cpu_mean, minute.memory_mean_bytes, minute.memory_max_bytes) == (0.5, 2048, 4096)
    assert (minute.own_memory_bytes, minute.read_bytes, minute.written_bytes) == (None, 5120, None)
    assert shown.machine is not None
    assert (shown.machine.memory_total_bytes, shown.machine.disks["/"].free_bytes) == (1 << 20, 1 << 20)
    assert shown.supervisor.now is not None
    assert shown.supervisor.now.cpu is None


def test_no_peak_is_lost_in_a_series() -> None:
    """Each stretch has its lowest, mean and highest figure; one without any has none."""
    rows = [("web.1", at, (cpu, 1, 1, 1, UNKNOWN, 0, 0)) for at, cpu in ((0, 10), (4, 90), (20, 30), (29, 50), (30, 7))]
    found = series(rows, 0, 30, 3)["web.1"]
    assert found["cpu"] == Figures([0.1, None, 0.07], [0.5, None, 0.29], [0.9, None, 0.5])
    assert found["memory_bytes"].max == [1024.0, None, 1024.0]
    assert found["files"].mean == [None, None, None]
    assert set(found) == {
        "cpu", "memory_bytes", "processes", "threads", "files", "read_bytes_s", "written_bytes_s",
    }  # fmt: skip
    assert series([], 5, 5, 3) == {}
    view = series_view(World(service("web")).state, "web", {"web.1": found}, (0, 30_000_000), 3, ["an hour"])
    assert (view.seconds, view.moments[1], view.problems) == (10.0, "1970-01-01T00:00:10.000000Z", ["an hour"])

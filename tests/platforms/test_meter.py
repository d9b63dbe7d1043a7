"""What processes use: the same questions to both meters, about real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.platforms.base import Meter
from nexus.platforms.current import make_meter
from nexus.platforms.portable_meter import PortableMeter
from tests.waiting import until

METERS: list[Callable[[Path], Meter]] = [make_meter, lambda _: PortableMeter()]

HUNGRY = "import sys\nkept = bytearray(40 << 20)\nprint('there', flush=True)\nsys.stdin.read()"
BUSY = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
LAST = "print('there', flush=True)\nsys.stdin.read()"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\n{LAST}"
CHILD = f"{BUSY}import sys; sys.stdin.read()"
FAMILY = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {CHILD!r}])\n{LAST}"


@pytest.fixture(params=METERS, ids=["of this system", "portable"])
def meter(request: pytest.FixtureRequest, tmp_path: Path) -> Meter:
    """Each meter in turn."""
    made: Meter = request.param(tmp_path)
    return made


@pytest.fixture
def begin() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes of a test; they end with it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def started(begin: list[subprocess.Popen[bytes]], *argv: str) -> int:
    """A process in a session of its own that has said that it is there."""
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    begin.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    return process.pid


def test_memory_threads_and_files_of_a_process(meter: Meter, begin: list[subprocess.Popen[bytes]]) -> None:
    """What it has is seen, and its own share of memory is not more than all of it."""
    pid = started(begin, sys.executable, "-c", HUNGRY)
    figures = meter.look({"web.1": pid})["web.1"]
    assert 38 << 20 < figures.memory_bytes < 200 << 20
    assert (figures.processes, figures.threads) == (1, 1)
    assert figures.files is not None
    assert figures.files >= 3
    own = meter.own_memory("web.1")
    assert own is not None
    assert 38 << 20 < own < figures.memory_bytes + (4 << 20)
    assert meter.own_memory("db.1") is None


def test_the_whole_tree_counts(meter: Meter, begin: list[subprocess.Popen[bytes]]) -> None:
    """A child, and the processor time of one that ended before anybody looked."""
    first = meter.look({"web.1": started(begin, sys.executable, "-c", PARENT)})["web.1"]
    assert first.cpu_seconds >= 0.2
    pid = started(begin, sys.executable, "-c", FAMILY)

    def both() -> bool:
        figures = meter.look({"family.1": pid})["family.1"]
        return figures.processes == 2 and figures.cpu_seconds >= 0.1

    until(both, what="two processes that work")


def test_what_ended_is_left_out(meter: Meter, begin: list[subprocess.Popen[bytes]]) -> None:
    """Also where another root is known still."""
    pids = {name: started(begin, sys.executable, "-c", HUNGRY) for name in ("web.1", "db.1")}
    assert set(meter.look(pids)) == {"web.1", "db.1"}
    begin[0].kill()
    begin[0].wait()
    assert set(meter.look(pids)) == {"db.1"}
    assert set(meter.look({"db.1": pids["db.1"]})) == {"db.1"}
    assert meter.look({}) == {}


def test_ourselves_without_what_we_started(meter: Meter, begin: list[subprocess.Popen[bytes]]) -> None:
    """The services are not counted as the supervisor's own."""
    pid = started(begin, sys.executable, "-c", HUNGRY)
    found = meter.look({"nexus": os.getpid(), "web.1": pid})
    assert found["nexus"].processes == found["web.1"].processes == 1


def test_the_machine(meter: Meter) -> None:
    """Its cores and memory, and how long they were busy."""
    machine = meter.machine()
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert 0 < machine.memory_available_bytes <= machine.memory_total_bytes
    assert machine.busy_seconds > 0

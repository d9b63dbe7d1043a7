"""Nothing that was acknowledged is ever lost: not by a kill, not by a power cut."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from events.log import Log
from events.verify import verify
from tests.events import powercut

CUTS_A_RECORDING = 60


def killed(home: Path, kills: int, seed: int) -> dict[str, int]:
    """Run the kill loop; what it counted."""
    loop = [sys.executable, "-m", "tests.events.kill_loop", str(home), str(kills), str(seed)]
    answer = subprocess.run(loop, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    counted: dict[str, int] = json.loads(answer.stdout)
    return counted


@pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGKILL")
@pytest.mark.parametrize("kills", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_a_killed_writer_loses_nothing(tmp_path: Path, kills: int) -> None:
    """Killed at any moment: everything acknowledged is there, the chain is whole, the next writer goes on."""
    counted = killed(tmp_path, kills, seed=7)
    assert counted["kills"] == kills
    assert counted["events"] > 10 * counted["homes"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Where the images of the simulated disk are looked at: in memory, where there is such a place."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    place = Path(tempfile.mkdtemp(dir=memory))
    yield place
    shutil.rmtree(place)


def lost(disk: Path, cuts: int, seed: int, synchronous: str = "FULL") -> int:
    """Cut the power again and again; in how many cases something that was acknowledged is gone."""
    chance, failures, recording = Random(seed), 0, None
    for number in range(cuts):
        if number % CUTS_A_RECORDING == 0:
            recording = powercut.record(disk / f"recorded-{number}", 60, chance.randrange(2**32), synchronous)
        assert recording is not None
        home = disk / "cut"
        acknowledged = powercut.cut(recording, chance.randrange(1, len(recording.ops)), chance, home)
        with Log.open(home, ballast_bytes=4096) as log:
            failures += bool(log.take_problems()) or log.head.seq < acknowledged
        failures += synchronous == "FULL" and not verify(home).ok
        shutil.rmtree(home)
    return failures


@pytest.mark.parametrize("cuts", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_a_power_cut_loses_nothing(disk: Path, cuts: int) -> None:
    """Cut at any moment, with every unsynced write there, gone or torn: all is there, and nothing needs to be told."""
    assert lost(disk, cuts, seed=11) == 0


def test_the_simulated_power_cut_is_a_hard_one(disk: Path) -> None:
    """A log that syncs less than ours loses acknowledged events in it, and says so."""
    assert lost(disk, 30, seed=11, synchronous="OFF") > 10

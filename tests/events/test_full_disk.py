"""A log whose disk is full, or that breaks while it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from events import files, keeper
from events.catalog import LogDamaged, LogFull, LogOpened, SupervisorStarted
from events.errors import LogDamagedError, LogError, LogFullError
from events.log import Log
from events.reader import Reader
from events.verify import verify
from tests.events.damage import overwrite
from tests.events.samples import NOON, after, append_all, day
from tests.waiting import until

BALLAST_BYTES = 256 * 1024
LINUX_ROOT = sys.platform == "linux" and os.geteuid() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "nexus-test", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(log: Log) -> None:
    """Append until something happens to the log."""
    for seed in range(10_000):
        append_all(log.append, day(log.head.seq, 12, seed, at=log.head.at))
        if log.on_ballast:
            return


@pytest.mark.skipif(not LINUX_ROOT, reason="mounts a small file system")
def test_a_full_disk_is_survived(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ballast is freed and told; then appending is refused; with room again, everything goes on by itself."""
    monkeypatch.setattr(keeper, "BALLAST_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "LINGER_SECONDS", 0.0)
    home = small_disk / "home"
    with Log.open(home, ballast_bytes=BALLAST_BYTES, now=lambda: NOON) as log:
        (small_disk / "other").write_bytes(b"x" * 600_000)
        fill(log)
        (told,) = log.take_problems()
        assert isinstance(told, LogFull)
        assert told.freed_bytes == BALLAST_BYTES
        with pytest.raises(LogFullError, match="make room on the disk"):
            fill_up(log)
        before = log.head
        with pytest.raises(LogFullError):
            log.append(day(before.seq, 1000, at=before.at))
        assert log.head == before
        (small_disk / "other").unlink()
        log.append(after(before.seq, told, at=before.at))
        until(lambda: not log.on_ballast, what="a new ballast")
        assert (home / files.BALLAST).stat().st_size == BALLAST_BYTES
    found = verify(home)
    assert (found.ok, found.events, found.problems) == (True, before.seq + 1, ())


def fill_up(log: Log) -> None:
    """Append until it is refused."""
    for seed in range(10_000):
        append_all(log.append, day(log.head.seq, 12, seed, at=log.head.at))


@pytest.mark.skipif(not LINUX_ROOT, reason="mounts a small file system")
def test_making_the_ballast_leaves_room_for_others(small_disk: Path) -> None:
    """It is not even tried where nothing would be left meanwhile for whoever appends."""
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    with pytest.raises(OSError, match="No space left"):
        files.make_ballast(small_disk, free // 2 + 4096)
    assert not (small_disk / files.BALLAST).exists()
    files.make_ballast(small_disk, free // 2 - 4096)
    assert files.free_ballast(small_disk) == free // 2 - 4096


@pytest.mark.skipif(not LINUX_ROOT, reason="mounts a small file system")
def test_a_full_disk_does_not_stop_at_a_rotation(small_disk: Path) -> None:
    """Where no new file can be begun, the old one goes on, and the wish is put off."""
    with Log.open(small_disk / "home", size_limit_bytes=1, ballast_bytes=4096, now=lambda: NOON) as log:
        append_all(log.append, day(1, 30))
        taken = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        (small_disk / "other").write_bytes(b"x" * (taken - 8192))
        wanted = log.wants_rotation
        before = log.head
        with pytest.raises(LogError, match="no new log file could be begun"):
            log.rotate(before.at, b"null")
        assert (wanted, log.wants_rotation, log.head) == (True, False, before)
        (small_disk / "other").unlink()
        append_all(log.append, day(before.seq, 30, at=before.at))
    assert verify(small_disk / "home").ok
    with Log.open(small_disk / "home", size_limit_bytes=1) as log:
        assert log.rotate(log.head.at, b"null").seq == log.head.seq == before.seq + 31


FILL = """
import resource, sys
from pathlib import Path
from events.errors import LogFullError
from events.log import Log
from tests.events.samples import day
with Log.open(Path(sys.argv[1]), ballast_bytes=100_000) as log:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    try:
        for seed in range(10_000):
            log.append(day(log.head.seq, 12, seed, at=log.head.at))
    except LogFullError as error:
        print(log.head.seq, [type(it).__name__ for it in log.take_problems()])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    log.append(day(log.head.seq, 12, 0, at=log.head.at))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_limit_on_files_is_survived(tmp_path: Path) -> None:
    """A quota or a limit is told like a full disk, and is over when it is lifted."""
    answer = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    last, _, told = answer.stdout.partition(" ")
    assert int(last) > 100, answer.stderr
    assert "LogFull" in told
    found = verify(tmp_path)
    assert (found.ok, found.events) == (True, int(last) + 12)


def test_a_log_that_breaks_while_it_is_written_is_put_aside(tmp_path: Path) -> None:
    """The error names the file; then the books are closed into a new one, with the state that the caller knows."""
    with Log.open(tmp_path, now=lambda: NOON) as log:
        append_all(log.append, day(1, 300), batch=100)
        connection = log._connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        overwrite(log.path, 4096, b"\xee" * (log.path.stat().st_size - 4096))
        connection.execute("PRAGMA shrink_memory")
        before = log.head
        with pytest.raises(LogDamagedError, match=r"events-000001\.db") as broken:
            append_all(log.append, day(before.seq, 300, at=before.at), batch=100)
        assert broken.value.last_good == before.seq
        assert (log.head, log.wants_rotation) == (before, True)
        opened = log.rotate(before.at, b'{"known":1}').event
        assert isinstance(opened, LogOpened)
        assert (opened.reason, opened.previous_seq, bytes(opened.state)) == ("damaged", before.seq, b'{"known":1}')
        (told,) = log.take_problems()
        assert isinstance(told, LogDamaged)
        assert told.file == "events-000001.db"
        log.append(after(log.head.seq, told, SupervisorStarted(pid=1), at=before.at))
        with Reader(tmp_path) as reader:
            assert [it.seq for it in reader.read(before.seq)] == [before.seq + 1, before.seq + 2, before.seq + 3]

"""A log that was damaged while nobody wrote: it is told, kept as it is, and the history goes on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from events import files
from events.catalog import LogDamaged, LogOpened, SupervisorStarted
from events.envelope import Position, Recorded
from events.files import OutsideHead
from events.log import Log
from events.reader import Reader
from events.verify import verify
from tests.events.damage import flip, overwrite, shell
from tests.events.samples import NOON, after, append_all, command, day, recorded
from tests.waiting import until

LAST = 60
FIRST = "events-000001.db"


def salvage(history: Iterator[Recorded]) -> bytes:
    """What is known, for these tests: the last position that was folded."""
    last = 0
    for it in history:
        last = it.seq
    return b'{"known":%d}' % last


def opened(home: Path) -> tuple[list[LogDamaged], LogOpened | None]:
    """What a supervisor is told when it opens the log, and the event with which a new file was begun."""
    with Log.open(home, salvage=salvage) as log, Reader(home) as reader:
        told = [it for it in log.take_problems() if isinstance(it, LogDamaged)]
        first = next(reader.read(reader.file_start() - 1)).event
        log.append(after(log.head.seq, *told, SupervisorStarted(pid=1), at=log.head.at))
    assert isinstance(first, LogOpened)
    return told, first if first.reason == "damaged" else None


def cut_tail(home: Path) -> None:
    """The last ten events are gone."""
    shell(home / FIRST, "DELETE FROM events WHERE seq > 50")


def spoil_header(home: Path) -> None:
    """The file is no database any more."""
    overwrite(home / FIRST, 0, b"\xff" * 100)


def spoil_everything(home: Path) -> None:
    """Nothing is what it was."""
    size = (home / FIRST).stat().st_size
    overwrite(home / FIRST, 0, b"\x55" * size)


def empty(home: Path) -> None:
    """A file of no bytes, as a file system may leave one."""
    (home / FIRST).write_bytes(b"")


def halve(home: Path) -> None:
    """The second half of the file is gone."""
    content = (home / FIRST).read_bytes()
    (home / FIRST).write_bytes(content[: len(content) // 8192 * 4096])


def flip_a_bit(home: Path) -> None:
    """One of the last events is not what it was."""
    flip(home / FIRST, 55, "data", 3)


def lose_the_file(home: Path) -> None:
    """There is no file at all."""
    (home / FIRST).unlink()


def exchange(home: Path) -> None:
    """Another history with good hashes was put in its place."""
    other = home.with_name("other")
    recorded(other, LAST, seed=9)
    shutil.copy(other / FIRST, home / FIRST)
    kept, mine = files.read_head(other), files.read_head(home)
    assert kept is not None
    assert mine is not None
    files.write_head(home, msgspec.structs.replace(mine, log_id=kept.log_id))


def replace_by_text(home: Path) -> None:
    """Somebody has saved notes under that name."""
    (home / FIRST).write_text("remember the milk\n" * 1000)


@pytest.mark.parametrize(
    ("damage", "problem", "good"),
    [
        (cut_tail, "it ends at event 50, but events.head knows of 60: the last 10 are lost", 50),
        (spoil_header, "not a database", 0),
        (spoil_everything, "not a database", 0),
        (replace_by_text, "not a database", 0),
        (empty, "not a log file", 0),
        (halve, "malformed", None),
        (flip_a_bit, "event 55 does not have the hash that it was given", 54),
        (lose_the_file, "the files of the log are gone; events.head knows of 60 events", 0),
        (exchange, "event 60 is not the one that events.head vouches for: the history was rewritten", 59),
    ],
)
def test_a_damaged_file_is_put_aside(
    tmp_path: Path, damage: Callable[[Path], None], problem: str, good: Position | None
) -> None:
    """It is told, a new file goes on behind everything that anybody may have seen, and the old one is left alone."""
    home = tmp_path / "home"
    recorded(home, LAST)
    damage(home)
    before = (home / FIRST).read_bytes() if (home / FIRST).exists() else None
    (told,), begun = opened(home)
    assert told.file == FIRST
    assert problem in told.problem
    assert good is None or told.last_good == good
    assert begun is not None
    assert begun.previous_seq == LAST
    assert bytes(begun.state) == b'{"known":%d}' % told.last_good
    if before is not None and damage is not lose_the_file:
        assert (home / FIRST).read_bytes() == before
    with Reader(home) as reader:
        assert [it.seq for it in reader.rows(LAST)] == [61, 62, 63]
        assert {it.seq for it in reader.read()} >= set(range(1, told.last_good + 1))
    assert opened(home) == ([], begun)
    assert not verify(home).ok


def test_what_can_be_read_of_a_damaged_file_is_shown(tmp_path: Path) -> None:
    """Page by page broken, event by event still there."""
    recorded(tmp_path, 2000, batch=100)
    path = tmp_path / FIRST
    flip(path, 1990, "data", 3)
    with Reader(tmp_path) as reader:
        middle = reader.get(1000)
    assert middle is not None
    overwrite(path, path.read_bytes().index(middle.hash) // 4096 * 4096, b"\xaa" * 4096)
    told, _ = opened(tmp_path)
    assert len(told) == 1
    with Reader(tmp_path) as reader:
        seen = [it.seq for it in reader.read()]
        assert 1000 < len(seen) < 2003
        assert seen == sorted(set(seen))
        assert seen[-3:] == [2001, 2002, 2003]
        shown = [it.seq for it in reader.rows()]
        assert set(shown) - set(seen) == {1990}, "its text can be shown, but it is no event"
        backwards = [it.seq for it in reader.rows(newest_first=True)]
        assert backwards == shown[::-1], "the same from either end"


def test_the_writer_still_knows_what_was_before_the_damage(tmp_path: Path) -> None:
    """A command that was received is not received again, and streams go on counting."""
    with Log.open(tmp_path, now=lambda: NOON) as log:
        log.append(after(1, command("a")))
        append_all(log.append, day(2, 30))
        versions = log.version_of("service/web")
    flip(tmp_path / FIRST, 30, "data", 3)
    with Log.open(tmp_path) as log:
        assert log.position_of("a") == 2
        assert log.version_of("service/web") == versions


def test_a_damage_is_told_again_until_it_is_recorded(tmp_path: Path) -> None:
    """A crash right after the new file was begun does not hide it."""
    recorded(tmp_path, LAST)
    cut_tail(tmp_path)
    Log.open(tmp_path).close()
    (told,), _ = opened(tmp_path)
    assert (told.file, told.last_good) == (FIRST, LAST)
    assert opened(tmp_path)[0] == []


def test_a_lost_write_ahead_log_is_told(tmp_path: Path) -> None:
    """Losing it loses events without breaking the chain: the head outside knows of them."""
    home, copy = tmp_path / "home", tmp_path / "copy"
    with Log.open(home, now=lambda: NOON) as log:
        append_all(log.append, day(1, 30))
        until(lambda: (files.read_head(home) or OutsideHead("", 0, 0, "")).seq == 31, 2.0, "the head file")
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*-wal", "*-shm", "*.lock"))
    (told,), begun = opened(copy)
    assert told.problem == "it ends at event 1, but events.head knows of 31: the last 30 are lost"
    assert begun is not None
    assert begun.previous_seq == 31


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "it is missing: nothing vouches for event 60"),
        (b"garbage", "it does not hold a head"),
        (b'{"log_id":"another","seq":3,"at":1,"hash":""}', "it belongs to log another"),
    ],
)
def test_a_damaged_head_is_told(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """The log itself is good: it goes on in the same file, and makes a new head."""
    recorded(tmp_path, LAST)
    (tmp_path / files.HEAD).unlink()
    if content is not None:
        (tmp_path / files.HEAD).write_bytes(content)
    told, begun = opened(tmp_path)
    assert begun is None
    assert [it.file for it in told][:1] == [files.HEAD]
    assert problem in told[0].problem
    assert opened(tmp_path) == ([], None)
    assert verify(tmp_path).ok


def test_the_last_file_of_several_is_put_aside(tmp_path: Path) -> None:
    """The earlier ones stay what they are, and the state they ended with is still known."""
    with Log.open(tmp_path, now=lambda: NOON) as log:
        append_all(log.append, day(1, 29))
        log.rotate(log.head.at, b"{}")
        append_all(log.append, day(31, 29, at=log.head.at))
    overwrite(tmp_path / "events-000002.db", 0, b"\xff" * 100)
    (told,), begun = opened(tmp_path)
    assert (told.file, told.last_good) == ("events-000002.db", 30)
    assert begun is not None
    assert (begun.previous_file, begun.previous_seq) == ("events-000002.db", 60)
    with Reader(tmp_path) as reader:
        assert [it.seq for it in reader.read()] == [*range(1, 31), 61, 62, 63]
        assert [it.file for it in reader.unreadable] == ["events-000002.db"]
    assert not verify(tmp_path).ok


def test_a_half_made_file_is_swept_away(tmp_path: Path) -> None:
    """A crash while a file was being made leaves nothing that matters."""
    recorded(tmp_path, LAST)
    for name in ("events-000002.db.new", "events-000002.db.new-wal"):
        (tmp_path / name).write_bytes(b"half")
    told, begun = opened(tmp_path)
    assert (told, begun) == ([], None)
    assert not list(tmp_path.glob("*.new*"))


def test_a_crash_right_after_a_rotation_is_settled(tmp_path: Path) -> None:
    """The finished file gets what was still in its write-ahead log."""
    home, copy = tmp_path / "home", tmp_path / "copy"
    with Log.open(home, now=lambda: NOON) as log:
        append_all(log.append, day(1, 30))
        old = sqlite3.connect(home / FIRST)
        old.execute("BEGIN").execute("SELECT count(*) FROM events").fetchone()
        log.rotate(log.head.at, b"{}")
        copy.mkdir()
        for path in home.glob("events-*"):
            shutil.copy(path, copy)
        shutil.copy(home / files.HEAD, copy)
        old.close()
    assert (copy / f"{FIRST}-wal").stat().st_size > 0
    told, begun = opened(copy)
    assert (told, begun) == ([], None)
    assert not (copy / f"{FIRST}-wal").exists() or (copy / f"{FIRST}-wal").stat().st_size == 0
    assert verify(copy).ok

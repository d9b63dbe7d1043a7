"""Reading a history: beside a writer, without one, and after its violent end."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from events import reader as reading
from events.catalog import LogOpened, SupervisorStarted
from events.chain import Head
from events.envelope import Position, Recorded
from events.errors import LogDamagedError, UnknownEventError
from events.log import Log
from events.reader import Reader
from events.schema import open_reader
from tests.events.damage import overwrite, shell
from tests.events.samples import NOON, SECOND, after, append_all, command, day, recorded, started

LAST = 90


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Ninety events in three files."""
    with Log.open(tmp_path, now=lambda: NOON, ballast_bytes=4096) as log:
        for first in (1, 31, 61):
            append_all(log.append, day(first, 29, seed=first, at=log.head.at))
            if first < 61:
                log.rotate(log.head.at, b"{}")
    return tmp_path


@pytest.fixture
def reader(home: Path) -> Iterator[Reader]:
    """A reader of it, with pages so small that every question needs several."""
    with pytest.MonkeyPatch.context() as patch, Reader(home) as reader:
        patch.setattr(reading, "PAGE", 7)
        patch.setattr(reading, "PAGE_CHOSEN", 5)
        yield reader


def positions(reader: Reader, **wanted: object) -> list[Position]:
    """The positions of the rows that answer."""
    return [it.seq for it in reader.rows(**wanted)]  # type: ignore[arg-type]


# -- questions -------------------------------------------------------------------------------------


def test_files_are_one_history(reader: Reader) -> None:
    """Nobody sees where one file ends and the next begins."""
    assert [it.seq for it in reader.read()] == positions(reader) == list(range(1, LAST + 1))
    assert positions(reader, newest_first=True) == list(range(LAST, 0, -1))


@pytest.mark.parametrize(("first", "last"), [(0, 30), (29, 31), (30, 60), (35, 36), (59, 75), (89, 95)])
def test_a_range_may_cross_files(reader: Reader, first: Position, last: Position) -> None:
    """After `after`, up to and including `until`, in both directions."""
    expected = list(range(first + 1, min(last, LAST) + 1))
    assert [it.seq for it in reader.read(first, last)] == expected
    assert positions(reader, after=first, until=last) == expected
    assert positions(reader, after=first, until=last, newest_first=True) == expected[::-1]


def test_rows_can_be_chosen(reader: Reader) -> None:
    """By kind, by stream, by moment, by text, and all of it at once: as if each row had been looked at."""
    rows = list(reader.rows())
    moment = rows[40].at
    starts = [it.seq for it in rows if it.kind == "run.started"]
    assert positions(reader, kinds=["run.started"]) == starts
    assert positions(reader, kinds=["run.started"], newest_first=True) == starts[::-1]
    assert positions(reader, kinds=["run.started", "log.opened"])[:1] == [1]
    assert positions(reader, streams=["service/web"]) == [it.seq for it in rows if it.stream == "service/web"]
    assert positions(reader, since=moment) == [it.seq for it in rows if it.at >= moment]
    assert positions(reader, search="REFUSED") == [it.seq for it in rows if "refused" in it.data]
    both = [it.seq for it in rows if it.stream == "service/web" and it.kind == "run.started" and it.at >= moment]
    assert positions(reader, streams=["service/web"], kinds=["run.started"], since=moment) == both
    assert both


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [0, 1, 7, 8, 31, 200])
def test_rows_can_be_limited(reader: Reader, limit: int, newest_first: bool) -> None:
    """At most `limit` rows, those that come first."""
    everything = positions(reader, newest_first=newest_first)
    assert positions(reader, limit=limit, newest_first=newest_first) == everything[:limit]


def test_a_search_takes_signs_as_they_are(tmp_path: Path) -> None:
    """What means something to SQL means itself."""
    with Log.open(tmp_path, now=lambda: NOON) as log, Reader(tmp_path) as reader:
        log.append(after(1, command("100%"), command("a_b"), command("axb"), command("back\\slash")))
        assert positions(reader, search="0%") == [2]
        assert positions(reader, search="a_b") == [3]
        assert positions(reader, search="back\\\\slash") == [5]
        assert positions(reader, search="' OR 1=1 --") == []


def test_one_event_is_found_with_all_its_columns(reader: Reader) -> None:
    """Its row, and the event as projections take it."""
    stored = reader.get(45)
    assert stored is not None
    assert stored.recorded == next(reader.read(44, 45))
    assert stored.event.kind() == stored.kind
    assert (len(stored.id), stored.id[6] >> 4, stored.id[8] >> 6) == (16, 7, 2)
    assert int.from_bytes(stored.id[:6], "big") == stored.at // 1000
    assert reader.get(0) is None
    assert reader.get(LAST + 1) is None


def test_what_an_event_caused_may_lie_in_a_later_file(tmp_path: Path) -> None:
    """The effects of a decision are found wherever they were recorded."""
    with Log.open(tmp_path, now=lambda: NOON) as log, Reader(tmp_path) as reader:
        log.append(after(1, command(), started(2), cause=None))
        log.append([Recorded(4, NOON, started(2), 2)])
        opened = log.rotate(NOON, b"null")
        log.append([Recorded(opened.seq + 1, NOON, started(2), 2)])
        assert [it.seq for it in reader.caused_by(2)] == [4, 6]
        assert reader.caused_by(6) == []


def test_a_moment_is_a_position(reader: Reader) -> None:
    """The last event that had happened by then."""
    rows = list(reader.rows())
    for moment in {shift + it.at for it in rows for shift in (-1, 0, 1)}:
        assert reader.seq_at(moment) == sum(it.at <= moment for it in rows)


def test_each_file_begins_with_the_state(reader: Reader) -> None:
    """Whoever wants to know what was known at a moment starts at the beginning of its file."""
    assert [reader.file_start(it) for it in (1, 30, 31, 60, 61, LAST, None)] == [1, 1, 31, 31, 61, 61, 61]
    assert all(isinstance(next(reader.read(it - 1)).event, LogOpened) for it in (1, 31, 61))


def test_a_home_without_a_log_is_empty(tmp_path: Path) -> None:
    """There is no head, no file and no event, whether the directory exists or not."""
    for home in (tmp_path, tmp_path / "nowhere"):
        with Reader(home) as reader:
            assert not reader.head
            assert reader.file_start() == reader.seq_at(NOON) == 0
            assert list(reader.read()) == []
            assert list(reader.rows(newest_first=True)) == []


def test_early_files_may_be_moved_away(home: Path) -> None:
    """What is left is read from the first position that there is."""
    (home / "events-000001.db").unlink()
    with Reader(home) as reader:
        assert next(reader.read()).seq == 31
        assert reader.seq_at(NOON - 1) == 0
        assert reader.get(7) is None


def test_a_missing_file_is_a_gap_that_nobody_passes(home: Path) -> None:
    """A projection must not go on as if nothing were missing."""
    (home / "events-000002.db").unlink()
    with Reader(home) as reader:
        for first, last in ((0, None), (0, 40), (35, None), (35, 40)):
            with pytest.raises(LogDamagedError, match=f"events are missing after {max(first, 30)}"):
                list(reader.read(first, last))


def test_events_that_are_gone_are_a_gap_that_nobody_passes(home: Path) -> None:
    """The same where rows are missing inside a file."""
    connection = sqlite3.connect(home / "events-000002.db")
    connection.execute("DROP TRIGGER events_not_deleted")
    connection.execute("DELETE FROM events WHERE seq = 40")
    connection.commit()
    connection.close()
    with Reader(home) as reader:
        seen: list[Position] = []
        with pytest.raises(LogDamagedError, match="events are missing after") as refused:
            seen.extend(it.seq for it in reader.read())
        assert seen == list(range(1, refused.value.last_good + 1))


# -- beside a writer -------------------------------------------------------------------------------


def test_a_reader_keeps_up_with_a_writer(tmp_path: Path) -> None:
    """While one thread appends and closes the books, another follows: every event once, in order."""
    with Log.open(tmp_path, now=lambda: NOON) as log, Reader(tmp_path) as reader:
        bell = threading.Event()
        done = threading.Event()

        def write() -> None:
            for number in range(40):
                log.append(day(log.head.seq, 10, seed=number, at=log.head.at))
                if number % 10 == 9:
                    log.rotate(log.head.at, b"null")
                bell.set()
            done.set()
            bell.set()

        last_looks = iter([True, False])

        def wait() -> bool:
            if done.is_set():
                return next(last_looks)
            bell.wait(10)
            bell.clear()
            return True

        writer = threading.Thread(target=write)
        writer.start()
        seen = [it.seq for it in reader.follow(0, wait)]
        writer.join()
        assert seen == list(range(1, log.head.seq + 1))
        assert log.head.seq == 405


def test_a_follower_begins_where_it_is_told(home: Path) -> None:
    """It catches up first, then waits; a wait that returns False is the end."""
    with Reader(home) as reader:
        assert [it.seq for it in reader.follow(85, lambda: False)] == [86, 87, 88, 89, 90]


def test_a_reader_between_pages_does_not_hold_the_writer_up(tmp_path: Path) -> None:
    """The write-ahead log can be emptied while somebody is in the middle of the history."""
    with Log.open(tmp_path, now=lambda: NOON) as log, Reader(tmp_path) as reader:
        append_all(log.append, day(1, 3 * reading.PAGE), batch=1000)
        history = reader.read()
        next(history)
        assert log._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        assert sum(1 for _ in history) == 3 * reading.PAGE


def test_a_reader_can_not_write(home: Path) -> None:
    """Not even by mistake."""
    connection = open_reader(home / "events-000003.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("INSERT INTO carried_streams VALUES ('x', 1)")
    connection.close()


def test_threads_may_share_a_reader(home: Path) -> None:
    """Each gets the whole history."""
    found: list[int] = []
    with Reader(home) as reader:
        threads = [threading.Thread(target=lambda: found.append(len(list(reader.read())))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [LAST] * 8


# -- without a writer ------------------------------------------------------------------------------

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from events.log import Log
from tests.events.damage import overwrite, shell
from tests.events.samples import day
log = Log.open(Path(sys.argv[1]))
log.append(day(1, 50, at=log.head.at))
os.kill(os.getpid(), signal.SIGKILL)
"""

READ = """
import os, sys
from pathlib import Path
from events.reader import Reader
if len(sys.argv) > 2:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
with Reader(Path(sys.argv[1])) as reader:
    print(reader.head.seq, sum(1 for _ in reader.read()))
"""


def killed_home(home: Path) -> Path:
    """A home whose writer was killed with its last events still in the write-ahead log."""
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(home)], check=False, timeout=30)
    assert (home / "events-000001.db-wal").stat().st_size > 0
    return home


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_history_is_read_right_after_a_kill(tmp_path: Path) -> None:
    """Everything that was committed is there, and nobody needs to repair anything first."""
    wal = killed_home(tmp_path) / "events-000001.db-wal"
    before = wal.read_bytes()
    with Reader(tmp_path) as reader:
        assert reader.head.seq == 51
        assert sum(1 for _ in reader.read()) == 51
    assert wal.read_bytes() == before, "only the writer makes checkpoints"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "closed"])
def test_another_user_may_only_look(killed: bool) -> None:
    """Where the directory can't be written to, the history is read all the same."""
    home = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        if killed:
            killed_home(home)
        else:
            recorded(home, 51)
        home.chmod(0o755)
        answer = subprocess.run(
            [sys.executable, "-c", READ, str(home), "other"], capture_output=True, text=True, check=False, timeout=30
        )
        assert answer.stdout.split() == ["51", "51"], answer.stderr
    finally:
        shutil.rmtree(home)


def test_the_head_of_a_reader_is_that_of_the_writer(tmp_path: Path) -> None:
    """Position, moment and hash, through a rotation too."""
    with Log.open(tmp_path, now=lambda: NOON) as log, Reader(tmp_path) as reader:
        heads: list[tuple[Head, Head]] = [(reader.head, log.head)]
        log.append(after(1, SupervisorStarted(pid=1), at=NOON + SECOND))
        heads.append((reader.head, log.head))
        log.rotate(NOON + 2 * SECOND, b"null")
        heads.append((reader.head, log.head))
    assert all(seen == written for seen, written in heads)
    assert [seen.seq for seen, _ in heads] == [1, 2, 3]


def test_what_a_newer_nexus_wrote_is_named(home: Path) -> None:
    """A projection stops with advice; its row can still be looked at."""
    statement = """UPDATE events SET kind = 'moon.landed', data = '{"kind":"moon.landed"}' WHERE seq = 70"""
    shell(home / "events-000003.db", statement)
    with Reader(home) as reader:
        with pytest.raises(UnknownEventError, match=r"moon\.landed .* A newer Nexus wrote it"):
            list(reader.read())
        assert [it.seq for it in reader.rows(kinds=["moon.landed"])] == [70]


def test_an_event_that_can_not_be_decoded_is_damage(home: Path) -> None:
    """Everything before it is read, then the error names it."""
    shell(home / "events-000003.db", "UPDATE events SET data = '{]' WHERE seq = 70")
    seen: list[Position] = []
    with Reader(home) as reader, pytest.raises(LogDamagedError, match="event 70 can't be read") as broken:
        seen.extend(it.seq for it in reader.read())
    assert broken.value.last_good == 69
    assert seen[-1] == 69


def test_a_broken_page_ends_the_reading_at_its_first_event(home: Path) -> None:
    """Everything before the damage is read, to the very last event."""
    path = home / "events-000001.db"
    with Reader(home) as reader:
        stored = reader.get(20)
    assert stored is not None
    page = path.read_bytes().index(stored.hash) // 4096 * 4096
    overwrite(path, page, b"\xaa" * 4096)
    seen: list[Position] = []
    with Reader(home) as reader, pytest.raises(LogDamagedError, match="malformed") as broken:
        seen.extend(it.seq for it in reader.read())
    assert seen == list(range(1, broken.value.last_good + 1))
    assert 0 < broken.value.last_good < 20

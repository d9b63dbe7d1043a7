"""The log on disk: what every log promises, and what only a disk can break."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from events import files
from events.catalog import LogOpened, SupervisorStarted
from events.envelope import Position, Recorded
from events.errors import LogError, LogLockedError
from events.files import OutsideHead
from events.log import Log
from events.reader import Reader
from events.schema import connect
from events.verify import verify
from tests.events.conformance import LogConformance
from tests.events.samples import NOON, after, append_all, command, day, recorded, started
from tests.waiting import until


class ReadableLog(Log):
    """The log and a reader of the same home."""

    def read(self, after: Position = 0, until: Position | None = None) -> Iterator[Recorded]:
        """What another process would read."""
        with Reader(self.home) as reader:
            yield from reader.read(after, until)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture
def log(home: Path) -> Iterator[Log]:
    """A new log."""
    with ReadableLog.open(home, now=lambda: NOON, ballast_bytes=4096) as log:
        yield log


class TestLog(LogConformance):
    """It keeps the same promises as the one in memory."""

    def test_a_story_begun_in_an_earlier_file_goes_on(self, log: Log) -> None:
        """The correlation of a cause that is neither at hand nor in the present file is looked up."""
        log.append([*after(1, command()), Recorded(3, NOON, started(2), 2)])
        opened = log.rotate(NOON, b"null")
        log.close()
        with Log.open(log.home, now=lambda: NOON) as again:
            again.append([Recorded(opened.seq + 1, NOON, started(2), 3)])
            assert again.correlation_of(opened.seq + 1) == 2

    def test_it_goes_on_where_it_ended(self, log: Log, home: Path) -> None:
        """Closed and opened again, it has the same head, and nothing to tell."""
        append_all(log.append, day(1, 30))
        head = log.head
        log.close()
        with Log.open(home) as again:
            assert (again.head, again.log_id, again.take_problems()) == (head, log.log_id, [])

    def test_a_new_log_uses_the_wall_clock(self, home: Path) -> None:
        """Without another clock, the first event says when it was."""
        with Log.open(home) as log:
            assert log.head.at > NOON


# -- one writer ------------------------------------------------------------------------------------


def test_a_second_writer_is_refused(log: Log, home: Path) -> None:
    """It is told who writes."""
    program = f"from events.log import Log; from pathlib import Path; Log.open(Path({str(home)!r}))"
    second = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"the process {os.getpid()} writes to this log" in second.stderr


def test_the_lock_is_free_again(log: Log, home: Path) -> None:
    """Once a log is closed, the next writer may come, and only then."""
    with pytest.raises(LogLockedError) as refused:
        Log.open(home)
    assert refused.value.pid == os.getpid()
    log.close()
    Log.open(home).close()


def test_children_do_not_inherit_the_lock(log: Log, home: Path) -> None:
    """A service that outlives its supervisor does not keep the next one out."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        log.close()
        Log.open(home).close()
    finally:
        child.communicate(b"\n")


# -- nothing is ever changed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET actor = 'somebody else' WHERE seq = 3",
        "DELETE FROM events WHERE seq = 60",
        "DELETE FROM events",
        "REPLACE INTO events SELECT * FROM events WHERE seq = 3",
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE seq = 60",
        "INSERT OR IGNORE INTO events SELECT 62, id, 'other', 1, kind, schema, at, seen, cause, correlation, basis,"
        " actor, '{}', hash FROM events WHERE seq = 3",
        "INSERT INTO events SELECT * FROM events WHERE seq = 3",
        "INSERT INTO events SELECT seq + 59, id, stream, version, kind, schema, at, seen, cause, correlation, basis,"
        " actor, '{}', hash FROM events WHERE seq = 2",
    ],
)
def test_the_database_itself_refuses_changes(home: Path, statement: str) -> None:
    """Not even somebody with a database shell changes, removes, replaces or squeezes in an event."""
    recorded(home)
    connection = sqlite3.connect(home / "events-000001.db")
    before = connection.execute("SELECT * FROM events").fetchall()
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.rollback()
    assert connection.execute("SELECT * FROM events").fetchall() == before
    connection.close()


def test_events_that_cause_later_ones_do_not_exist(home: Path) -> None:
    """The database refuses an event whose cause is not earlier."""
    recorded(home)
    connection = sqlite3.connect(home / "events-000001.db")
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(
            "INSERT INTO events SELECT 61, id, stream, 99, kind, schema, at, seen, 61, correlation, basis, actor,"
            " data, hash FROM events WHERE seq = 60"
        )
    connection.close()


# -- durability ------------------------------------------------------------------------------------


def test_the_connection_is_as_safe_as_it_was_asked_to_be(log: Log) -> None:
    """Write-ahead log, synchronous=FULL, triggers that see REPLACE."""
    pragma = {it: log._connection.execute(f"PRAGMA {it}").fetchone()[0] for it in ("journal_mode", "synchronous")}
    assert pragma == {"journal_mode": "wal", "synchronous": 2}
    assert log._connection.execute("PRAGMA recursive_triggers").fetchone()[0] == 1


def test_the_head_is_kept_outside_within_a_second(log: Log, home: Path) -> None:
    """The file follows the log by itself, without another event."""
    log.append(after(1, SupervisorStarted(pid=1)))
    kept = OutsideHead.of(log.log_id, log.head)
    until(lambda: files.read_head(home) == kept, timeout_seconds=1.0, what="the head file")


def test_closing_writes_the_head(log: Log, home: Path) -> None:
    """After a stop in good order nothing is behind."""
    log.append(after(1, SupervisorStarted(pid=1)))
    log.close()
    assert files.read_head(home) == OutsideHead.of(log.log_id, log.head)


# -- files -----------------------------------------------------------------------------------------


def test_a_file_over_its_limit_wants_to_be_closed(home: Path) -> None:
    """The writer asks; the caller, who knows the state, closes the books."""
    with Log.open(home, size_limit_bytes=100_000, now=lambda: NOON) as log:
        wanted = [log.wants_rotation]
        append_all(log.append, day(1, 600))
        wanted.append(log.wants_rotation)
        log.rotate(log.head.at, b"null")
        assert [*wanted, log.wants_rotation] == [False, True, False]
        assert log.path.name == "events-000002.db"


def test_many_files_are_one_history(home: Path) -> None:
    """Rotation after rotation, through a restart: one chain, no gap, each file opening where the last ended."""
    with Log.open(home, now=lambda: NOON) as log:
        for number in range(3):
            append_all(log.append, day(log.head.seq, 20, seed=number, at=log.head.at))
            log.rotate(log.head.at, b'{"books":%d}' % number)
    with Log.open(home) as log, Reader(home) as reader:
        append_all(log.append, day(log.head.seq, 20, at=log.head.at))
        openings = [it for it in reader.read() if isinstance(it.event, LogOpened)]
        assert [it.seq for it in openings] == [1, 22, 43, 64]
        assert [it.event.previous_file for it in openings if isinstance(it.event, LogOpened)] == [
            None, "events-000001.db", "events-000002.db", "events-000003.db",
        ]  # fmt: skip
    found = verify(home)
    assert (found.ok, found.events, found.problems, len(found.files)) == (True, 84, (), 4)


def test_a_newer_schema_is_left_alone(home: Path) -> None:
    """A file that a newer Nexus has migrated is refused with advice, not put aside."""
    recorded(home)
    connection = sqlite3.connect(home / "events-000001.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogError, match="a newer Nexus wrote it"):
        Log.open(home)
    assert files.numbers(home) == [1]


def test_a_home_that_can_not_be_written_is_an_error(home: Path) -> None:
    """It names the file and what to look at."""
    recorded(home)
    (home / "events-000001.db").unlink()
    (home / "events-000001.db").mkdir()
    for _ in range(2):
        with pytest.raises(LogError, match="can't be opened for writing"):
            Log.open(home)


def test_somebody_in_a_database_shell_is_told_and_outlived(log: Log) -> None:
    """While another connection holds the file, appending fails without a trace; then it works again."""
    log._connection.execute("PRAGMA busy_timeout = 0")
    shell = sqlite3.connect(log.path)
    shell.execute("BEGIN IMMEDIATE")
    before = log.head
    with pytest.raises(LogError, match="locked; the log tries again"):
        log.append(after(1, SupervisorStarted(pid=1)))
    assert log.head == before
    shell.rollback()
    shell.close()
    log.append(after(1, SupervisorStarted(pid=1)))
    assert log.head.seq == 2


def test_a_new_file_that_can_not_be_used_does_not_stand_in_the_way(home: Path) -> None:
    """When the last step of a rotation fails, the old file goes on as if nothing had been tried."""
    refused = "events-000002.db"

    def connect_reluctantly(path: Path) -> sqlite3.Connection:
        if path.name == refused:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(path)

    with Log.open(home, now=lambda: NOON, connect=connect_reluctantly) as log:
        with pytest.raises(LogError, match="no new log file could be begun"):
            log.rotate(NOON, b"null")
        log.append(after(1, SupervisorStarted(pid=1)))
    assert (files.numbers(home), verify(home).ok) == ([1], True)
    with Log.open(home) as log:
        assert log.rotate(log.head.at, b"null").seq == 3


def test_rotation_waits_for_nobody(home: Path) -> None:
    """A reader in the middle of the old file keeps it from being tidied up, not from being finished."""
    with Log.open(home, now=lambda: NOON) as log:
        append_all(log.append, day(1, 30))
        reader = sqlite3.connect(log.path)
        reader.execute("BEGIN").execute("SELECT count(*) FROM events").fetchone()
        began = time.perf_counter()
        log.rotate(log.head.at, b"null")
        assert time.perf_counter() - began < 1.0
        reader.close()
    assert verify(home).ok


def test_an_old_command_is_known_in_every_later_file(home: Path) -> None:
    """What is carried over is carried on."""
    with Log.open(home, now=lambda: NOON) as log:
        log.append(after(1, command("a")))
        for _ in range(3):
            log.rotate(NOON, b"null")
        log.append(after(log.head.seq, command("b")))
    with Log.open(home) as log:
        assert (log.position_of("a"), log.position_of("b"), log.position_of("c")) == (2, 6, None)
        assert log.version_of("service/web") == 2

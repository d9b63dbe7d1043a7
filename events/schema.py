"""The database of one log file: its schema, its migrations, and how it is opened for writing and for reading."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from events.chain import COLUMNS
from events.errors import LogDamagedError, LogError

if TYPE_CHECKING:
    from sqlite_utils import Database

Connect = Callable[[Path], sqlite3.Connection]
"""Opens a database file for writing, in autocommit mode."""

VERSION = 1
"""The schema version that this Nexus writes, kept in `PRAGMA user_version`."""

INSERT = f"INSERT INTO events VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
READER_BUSY_SECONDS = 5.0
WRITER_BUSY_SECONDS = 1.0
"""How long somebody in a database shell may hold the writer up; the controller has other things to do."""

EVENTS = """
CREATE TABLE events(
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    schema INTEGER NOT NULL,
    at INTEGER NOT NULL,
    seen INTEGER,
    cause INTEGER CHECK (cause < seq),
    correlation INTEGER NOT NULL,
    basis INTEGER,
    actor TEXT,
    data TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX events_kind ON events(kind);
CREATE UNIQUE INDEX events_stream ON events(stream, version);
CREATE INDEX events_cause ON events(cause) WHERE cause IS NOT NULL;
CREATE UNIQUE INDEX events_command ON events(json_extract(data, '$.command_id')) WHERE kind = 'command.received';
CREATE TRIGGER events_gapless BEFORE INSERT ON events
WHEN NEW.seq <> coalesce((SELECT max(seq) FROM events), NEW.seq - 1) + 1
BEGIN SELECT RAISE(ABORT, 'events are appended without gaps'); END;
CREATE TRIGGER events_kept BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TABLE carried_streams(stream TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE carried_commands(command_id TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
"""`carried_*` hold what the writer needs to know of earlier files, so that it never has to open them."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write; transactions are begun and ended by hand."""
    return sqlite3.connect(path, isolation_level=None, timeout=WRITER_BUSY_SECONDS, check_same_thread=False)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make a connection safe to write to the log, and its schema the present one.

    Raises LogDamagedError when the file is not a log file, LogError when a newer Nexus wrote it.
    """
    pragmas = {"journal_mode": "wal", "synchronous": 2, "recursive_triggers": 1}
    for name, expected in pragmas.items():
        connection.execute(f"PRAGMA {name} = {expected}")
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != expected:
            raise LogError(f"{path}: SQLite keeps {name} at {found}, expected {expected}; is it on a local disk?")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise LogError(f"{path}: a newer Nexus wrote it (schema {version}, this one knows {VERSION}); upgrade Nexus.")
    if version < VERSION:
        migrate(connection)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema of a file up to the present one."""
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("events")

    @migrations()
    def events(database: Database) -> None:
        for statement in _statements(EVENTS):
            database.execute(statement)

    migrations.apply(Database(connection, execute_plugins=False))
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> list[str]:
    statements: list[str] = []
    text = ""
    for line in script.strip().splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read, whoever else has the file open.

    Raises LogDamagedError when the file can't be opened, FileNotFoundError when there is none.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    modes = ["mode=ro"] if _has_wal(path) else ["mode=ro", "mode=ro&immutable=1"]
    problem: sqlite3.Error | None = None
    for mode in modes:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}",
            uri=True, isolation_level=None, timeout=READER_BUSY_SECONDS, check_same_thread=False,
        )  # fmt: skip
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT seq FROM events LIMIT 1").fetchone()
        except sqlite3.Error as error:
            connection.close()
            problem = error
        else:
            return connection
    raise LogDamagedError(path.name, f"it can't be opened: {problem}", 0) from problem


def _has_wal(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.with_name(path.name + "-wal").stat().st_size > 0
    return False


def is_full(error: sqlite3.Error) -> bool:
    """Whether a write failed for want of room: a full disk, a quota or a limit on the size of a file."""
    return getattr(error, "sqlite_errorcode", None) in (
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE,
    )  # fmt: skip


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that a file does not hold what was written to it."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return isinstance(error, sqlite3.OperationalError) and "decode" in str(error)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or code in (
        sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ,
    )  # fmt: skip

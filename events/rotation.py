"""How a log file begins: whole or not at all, with everything that its writer needs to know of earlier ones.

A file is made under another name with its first event in it, and gets its own name last. So whatever moment a crash
chooses, the file with the highest number is a good one to go on with.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import msgspec

from events.chain import Row
from events.envelope import Position
from events.files import path_of, sync_directory
from events.schema import INSERT, Connect, prepare

NEW = ".new"


class Carried(msgspec.Struct, frozen=True):
    """What a writer must know of the files before its own: versions of streams, positions of commands."""

    streams: dict[str, int] = {}
    commands: dict[str, int] = {}

    def version_of(self, stream: str) -> int:
        """How many events the stream has."""
        return self.streams.get(stream, 0)

    def correlation_of(self, seq: Position) -> Position:
        """The event itself: the story that it belongs to is not known."""
        return seq

    def position_of(self, command_id: str) -> Position | None:
        """Where that command was received, None if it never was."""
        return self.commands.get(command_id)


def carried(connection: sqlite3.Connection) -> Carried:
    """Everything that the file after this one has to carry; as much of it as a damaged file lets us read."""
    found = Carried({}, {})
    for target, query in (
        (found.streams, "SELECT stream, version FROM carried_streams"),
        (found.streams, "SELECT stream, max(version) FROM events GROUP BY stream"),
        (found.commands, "SELECT command_id, seq FROM carried_commands"),
        (
            found.commands,
            "SELECT json_extract(data, '$.command_id') AS command, seq FROM events"
            " WHERE kind = 'command.received' AND command IS NOT NULL",
        ),
    ):
        with contextlib.suppress(sqlite3.DatabaseError):
            rows = connection.execute(query).fetchall()
            target.update((name, seq) for name, seq in rows if isinstance(name, str) and isinstance(seq, int))
    return found


def stored(connection: sqlite3.Connection) -> Carried:
    """What this file carries of the files before it."""
    return Carried(
        dict(connection.execute("SELECT stream, version FROM carried_streams").fetchall()),
        dict(connection.execute("SELECT command_id, seq FROM carried_commands").fetchall()),
    )


def create(home: Path, number: int, first: Row, known: Carried, connect: Connect) -> Path:
    """Make log file `number`, durably, with `first` as its first event; raises sqlite3.Error and OSError."""
    path = path_of(home, number)
    new = path.with_name(path.name + NEW)
    sweep(home)
    connection = connect(new)
    try:
        prepare(connection, new)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO carried_streams VALUES (?, ?)", list(known.streams.items()))
        connection.executemany("INSERT INTO carried_commands VALUES (?, ?)", list(known.commands.items()))
        connection.execute(INSERT, first)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
    os.replace(new, path)
    sync_directory(home)
    return path


def sweep(home: Path) -> None:
    """Remove what a crash left of a file that was being made."""
    for path in home.glob(f"events-*.db{NEW}*"):
        path.unlink()


def settle(path: Path, connect: Connect) -> None:
    """Bring what is still in the write-ahead log of a finished file into the file."""
    with contextlib.closing(connect(path)) as connection:
        finish(connection)


def finish(connection: sqlite3.Connection) -> None:
    """The same over a connection; whoever reads at the moment is not waited for, the next start tries again."""
    for pragma in ("synchronous = FULL", "busy_timeout = 0", "wal_checkpoint(TRUNCATE)"):
        connection.execute(f"PRAGMA {pragma}").fetchall()

"""What a writer finds when it opens a home, and whether that is what was left there."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from itertools import pairwise
from pathlib import Path

import msgspec

from events import chain, files
from events.catalog import LogOpened
from events.chain import HEADER, Head, Row, genesis
from events.errors import LogDamagedError, LogError
from events.files import OutsideHead
from events.reader import Reader
from events.rotation import Carried, carried, settle
from events.schema import Connect, is_damage, is_full, open_reader, prepare

TAIL_CHECKED = 1_000
"""How many of the last events are checked against their hashes; `nexus verify` checks them all."""

LAST_ROWS = "SELECT * FROM events ORDER BY seq DESC LIMIT ?"


class Found(msgspec.Struct):
    """The state of a log: a `connection` to go on with, or else a new file has to be begun after `head`.

    `damage` is why it has to, None where there was no log; `notes` are lesser problems.
    """

    log_id: str
    head: Head
    number: int = 0
    connection: sqlite3.Connection | None = None
    carried: Carried = Carried({}, {})
    damage: LogDamagedError | None = None
    notes: list[LogDamagedError] = []


def inspect(home: Path, connect: Connect) -> Found:
    """Open the last file and compare it with the head kept outside; raises LogError when it can't be used now."""
    present = files.numbers(home)
    outside, notes = _outside(home)
    if not present:
        return _without_files(outside, notes)
    _settle_finished(home, present, connect)
    path = files.path_of(home, present[-1])
    connection = None
    try:
        connection = connect(path)
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            raise LogDamagedError(path.name, "it is not a log file", -1)
        prepare(connection, path)
        head, log_id = _checked_tail(connection, path)
        notes += _compare(connection, path, head, log_id, outside)
    except (sqlite3.Error, LogDamagedError) as error:
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        return _damaged(home, present[-1], outside, _as_damage(path, error), notes)
    return Found(log_id, head, present[-1], connection, notes=notes)


def opening_of(row: Row) -> LogOpened | None:
    """The first event of a file, if the row holds one."""
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(row[HEADER], type=LogOpened)
    return None


def before(opened: LogOpened) -> bytes:
    """The hash that the first event of a file follows."""
    return bytes.fromhex(opened.previous_hash) if opened.previous_seq else genesis(opened.log_id)


def _outside(home: Path) -> tuple[OutsideHead | None, list[LogDamagedError]]:
    try:
        return files.read_head(home), []
    except msgspec.DecodeError as error:
        return None, [LogDamagedError(files.HEAD, f"it does not hold a head: {error}", 0)]


def _without_files(outside: OutsideHead | None, notes: list[LogDamagedError]) -> Found:
    if outside is None:
        log_id = uuid.uuid4().hex
        return Found(log_id, Head(0, 0, genesis(log_id)), notes=notes)
    problem = f"the files of the log are gone; {files.HEAD} knows of {outside.seq} events"
    head = Head(outside.seq, outside.at, bytes.fromhex(outside.hash))
    return Found(outside.log_id, head, damage=LogDamagedError(files.path_of(Path(), 1).name, problem, 0), notes=notes)


def _settle_finished(home: Path, present: list[int], connect: Connect) -> None:
    """A crash right after a rotation leaves the finished file's last events in its write-ahead log."""
    for number, after in pairwise(present):
        wal = files.path_of(home, number)
        wal = wal.with_name(wal.name + "-wal")
        if not wal.exists() or wal.stat().st_size == 0:
            continue
        with contextlib.suppress(sqlite3.Error, LogDamagedError, FileNotFoundError):
            reader = open_reader(files.path_of(home, after))
            row = reader.execute("SELECT * FROM events ORDER BY seq LIMIT 1").fetchone()
            reader.close()
            opened = opening_of(row)
            if opened is not None and opened.reason == "rotated":
                settle(files.path_of(home, number), connect)


def _checked_tail(connection: sqlite3.Connection, path: Path) -> tuple[Head, str]:
    """The last event and the log's name; raises LogDamagedError where a hash is not what it should be."""
    first = connection.execute("SELECT * FROM events ORDER BY seq LIMIT 1").fetchone()
    opened = opening_of(first) if first else None
    if opened is None:
        raise LogDamagedError(path.name, "its first event is not the opening of a log", -1)
    rows = connection.execute(LAST_ROWS, (TAIL_CHECKED,)).fetchall()[::-1]
    previous = before(opened) if rows[0][0] == first[0] else None
    good = rows[0][0] - 1
    for row in rows:
        if previous is not None and linked(previous, row) != row[-1]:
            raise LogDamagedError(path.name, f"event {row[0]} does not have the hash that it was given", good)
        previous, good = row[-1], row[0]
    return Head(rows[-1][0], rows[-1][6], rows[-1][-1]), opened.log_id


def linked(previous: bytes, row: Row) -> bytes | None:
    """The hash that a row has after `previous`; None for a row that nobody recorded."""
    with contextlib.suppress(TypeError, AttributeError, ValueError, OverflowError):
        return chain.link(previous, row[:HEADER], row[HEADER].encode())
    return None


def _compare(
    connection: sqlite3.Connection, path: Path, head: Head, log_id: str, outside: OutsideHead | None
) -> list[LogDamagedError]:
    """What the head kept outside says of the last file; raises LogDamagedError where they contradict each other."""
    if outside is None:
        if head.seq == 1:
            return []
        return [LogDamagedError(files.HEAD, f"it is missing: nothing vouches for event {head.seq}", head.seq)]
    if outside.log_id != log_id:
        return [LogDamagedError(files.HEAD, f"it belongs to log {outside.log_id}, not to {log_id}", head.seq)]
    if outside.seq > head.seq:
        lost = outside.seq - head.seq
        problem = f"it ends at event {head.seq}, but {files.HEAD} knows of {outside.seq}: the last {lost} are lost"
        raise LogDamagedError(path.name, problem, head.seq)
    row = connection.execute("SELECT hash FROM events WHERE seq = ?", (outside.seq,)).fetchone()
    if row is not None and row[0].hex() != outside.hash:
        problem = f"event {outside.seq} is not the one that {files.HEAD} vouches for: the history was rewritten"
        raise LogDamagedError(path.name, problem, outside.seq - 1)
    return []


def _as_damage(path: Path, error: Exception) -> LogDamagedError:
    if isinstance(error, LogDamagedError):
        return error
    if isinstance(error, sqlite3.Error) and is_damage(error):
        return LogDamagedError(path.name, str(error), -1)
    hint = (
        "the disk is full" if isinstance(error, sqlite3.Error) and is_full(error) else "is it yours, on a local disk?"
    )
    raise LogError(f"{path}: can't be opened for writing: {error}; {hint}") from error


def _damaged(
    home: Path, number: int, outside: OutsideHead | None, damage: LogDamagedError, notes: list[LogDamagedError]
) -> Found:
    """Positions go on after everything that anybody may have seen, so that none is ever given twice."""
    known = Carried({}, {})
    with contextlib.suppress(sqlite3.Error, LogDamagedError, FileNotFoundError):
        connection = open_reader(files.path_of(home, number))
        known = carried(connection)
        connection.close()
    with Reader(home) as reader:
        head, log_id = reader.last_readable()
    good = damage.last_good if damage.last_good >= 0 else head.seq
    if outside is not None and outside.seq >= head.seq:
        head = Head(outside.seq, outside.at, bytes.fromhex(outside.hash))
    log_id = log_id or (outside.log_id if outside else uuid.uuid4().hex)
    if head.seq == 0:
        head = Head(0, 0, genesis(log_id))
    damage = LogDamagedError(damage.file, damage.problem, good)
    return Found(log_id, head, number, carried=known, damage=damage, notes=notes)

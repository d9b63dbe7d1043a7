"""Verification: whether the history is what was recorded, event by event, up to the head kept outside."""

from __future__ import annotations

import contextlib
import sqlite3
from array import array
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from events import files, rotation
from events.catalog import LogOpened
from events.chain import HEADER, Head, Row, encode_header
from events.envelope import Position
from events.errors import LogDamagedError, LogError
from events.files import OutsideHead
from events.opening import before, linked, opening_of
from events.schema import is_damage, open_reader

PAGE = 250
PROBLEMS_MAX = 100

Progress = Callable[[int], None]
"""Called with the number of events that have been checked."""


class Verification(msgspec.Struct, frozen=True):
    """What a verification found; `files` are paths, `problems` are in words, at most a hundred of them."""

    ok: bool
    files: tuple[str, ...]
    events: int
    head: Head
    problems: tuple[str, ...]


def verify(home: Path, progress: Progress | None = None) -> Verification:
    """Check every event of every file: hashes, positions, versions, causes, and the head kept outside.

    It may run beside a writer: what is recorded meanwhile may be left out. Raises LogError when a file may not be read.
    """
    check = _Check(home, progress)
    for number in files.numbers(home):
        check.file(number)
    check.outside()
    problems = check.problems
    if len(problems) > PROBLEMS_MAX:
        problems = [*problems[:PROBLEMS_MAX], f"… and {len(problems) - PROBLEMS_MAX} more"]
    return Verification(not problems, tuple(check.paths), check.events, check.head, tuple(problems))


class _Check:
    """What is known while going through the history."""

    def __init__(self, home: Path, progress: Progress | None) -> None:
        self.home, self.progress = home, progress
        self.paths: list[str] = []
        self.problems: list[str] = []
        self.events = 0
        self.head = Head(0, 0, b"")
        self.first: Position = 0
        self.versions: dict[str, int] = {}
        self.sure = True
        """Whether a stream that is not among the versions has no event yet."""
        self.correlations = array("q")
        """By position less `first`; 0 where an event is missing."""
        self.carried: rotation.Carried | None = None
        self.kept = self._kept()
        self.kept_hash = ""

    def _kept(self) -> OutsideHead | None:
        try:
            return files.read_head(self.home)
        except msgspec.DecodeError as error:
            self.problems.append(f"{files.HEAD}: it does not hold a head: {error}")
            return None

    def outside(self) -> None:
        """Compare with the head that was kept outside when the verification began."""
        kept, head = self.kept, self.head
        if kept is None:
            if head.seq > 1 and not any(it.startswith(files.HEAD) for it in self.problems):
                self.problems.append(f"{files.HEAD}: it is missing: nothing outside vouches for event {head.seq}")
        elif kept.seq > head.seq:
            lost = kept.seq - head.seq
            self.problems.append(f"{files.HEAD}: it knows of event {kept.seq}: the last {lost} events are lost")
        elif self.kept_hash != kept.hash:
            self.problems.append(f"{files.HEAD}: event {kept.seq} is not the one that it vouches for")

    # -- one file ------------------------------------------------------------------------------

    def file(self, number: int) -> None:
        """Check one file and how it follows the one before."""
        path = files.path_of(self.home, number)
        self.paths.append(str(path))
        try:
            connection = open_reader(path)
        except LogDamagedError as error:
            self.problems.append(f"{path.name}: {error.problem}")
            return
        with contextlib.closing(connection):
            self._opening(path, connection)
            for rows in self._pages(path, connection):
                self._rows(path, rows)
                if self.progress is not None:
                    self.progress(self.events)
            self.carried = rotation.carried(connection)

    def _opening(self, path: Path, connection: sqlite3.Connection) -> None:
        row = next(iter(_read(connection, 0, 1)), None)
        opened = opening_of(row) if row else None
        if row is None or opened is None:
            self.problems.append(f"{path.name}: its first event is not the opening of a log")
            return
        if opened.reason == "bundled" and not self.events:
            self._bundled(path, connection, row, opened)
            return
        if opened.reason == "damaged":
            self.problems.append(_lost(path, opened, self.head.seq))
            self._doubt()
        elif self.events and (opened.previous_seq, before(opened)) != (self.head.seq, self.head.hash):
            self.problems.append(f"{path.name}: it does not follow event {self.head.seq}, the last one before it")
        elif self.carried is not None and self.carried != rotation.stored(connection):
            self.problems.append(f"{path.name}: what it carried over is not what the file before it ended with")
        if not self.events:
            self.first, self.versions = row[0], rotation.stored(connection).streams
        self.correlations.extend([0] * (row[0] - self.first - len(self.correlations)))
        self.head = Head(row[0] - 1, self.head.at, before(opened))

    def _bundled(self, path: Path, connection: sqlite3.Connection, row: Row, opened: LogOpened) -> None:
        """The opening of a bundle stands in the place of an event, and vouches for the state that it carries alone."""
        if linked(before(opened), row) != row[-1]:
            self._problem(path, row[0], "what was known before is not what was packed: its hash does not fit")
        self.first, self.versions = row[0], rotation.stored(connection).streams
        self.correlations.append(0)
        self.head = Head(row[0], row[6], before(opened))

    def _pages(self, path: Path, connection: sqlite3.Connection) -> Iterator[list[Row]]:
        position = self.head.seq
        while True:
            try:
                rows = _read(connection, position, PAGE)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise LogError(f"{path}: can't be read: {error}") from error
                self.problems.append(f"{path.name}: {error}")
                rows = _one_by_one(connection, position, self.kept.seq if self.kept else position + PAGE)
                yield rows
                return
            if not rows:
                return
            yield rows
            position = rows[-1][0]

    # -- every event ---------------------------------------------------------------------------

    def _rows(self, path: Path, rows: list[Row]) -> None:
        previous, last, at = self.head.hash, self.head.seq, self.head.at
        first, versions, correlations = self.first, self.versions, self.correlations
        kept = self.kept.seq if self.kept else 0
        for row in rows:
            seq, _, stream, version, _, _, moment, _, cause, correlation, _, _, data, hash = row
            if seq != last + 1:
                self._missing(path, last, seq)
            try:
                good = sha256(previous + encode_header(row[:HEADER]) + data.encode()).digest() == hash
            except (TypeError, AttributeError, ValueError, OverflowError):
                good = False
            if good:
                known = versions.get(stream)
                if moment < at or (version != known + 1 if known is not None else self.sure and version != 1):
                    self._out_of_order(path, row, at)
                story = seq if cause is None else correlations[cause - first] if cause >= first else 0
                if story not in (0, correlation):
                    self._problem(path, seq, f"it does not belong to the story of its cause {cause}")
                versions[stream], at = version, moment
                correlations.append(correlation)
            else:
                self._problem(path, seq, "it is not what was recorded: its hash does not fit")
                self._doubt()
                correlations.append(0)
            if seq == kept and isinstance(hash, bytes):
                self.kept_hash = hash.hex()
            previous, last = hash, seq
        self.events += len(rows)
        self.head = Head(last, at, previous)

    def _missing(self, path: Path, last: Position, seq: Position) -> None:
        self._problem(path, seq, f"expected event {last + 1} after {last}: {seq - last - 1} are missing")
        self.correlations.extend([0] * (seq - last - 1))
        self._doubt()

    def _doubt(self) -> None:
        """What is wrong with one event is told once, not again for all that follow it."""
        self.versions.clear()
        self.sure = False

    def _out_of_order(self, path: Path, row: Row, at: int) -> None:
        seq, _, stream, version, _, _, moment, *_ = row
        if moment < at:
            self._problem(path, seq, f"its moment {moment} is before {at}, the moment of the event before it")
        else:
            expected = self.versions.get(stream, 0) + 1
            self._problem(path, seq, f"expected version {expected} of {stream}, found {version}")

    def _problem(self, path: Path, seq: Position, problem: str) -> None:
        self.problems.append(f"{path.name}: event {seq}: {problem}")


def _read(connection: sqlite3.Connection, after: Position, limit: int) -> list[Row]:
    return connection.execute("SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)).fetchall()


def _one_by_one(connection: sqlite3.Connection, after: Position, until: Position) -> list[Row]:
    rows: list[Row] = []
    for seq in range(after + 1, until + 1):
        with contextlib.suppress(sqlite3.Error):
            rows += connection.execute("SELECT * FROM events WHERE seq = ? LIMIT 1", (seq,)).fetchall()
    return rows


def _lost(path: Path, opened: LogOpened, known: Position) -> str:
    lost = f"events {known + 1} to {opened.previous_seq} are lost" if opened.previous_seq > known else "none is lost"
    return f"{path.name}: it was begun because {opened.previous_file or 'the log'} was damaged; {lost}"

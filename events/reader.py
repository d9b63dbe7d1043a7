"""Reading the history of one home: every file of the log as one, whoever is writing."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from events import files
from events.catalog import Event, LogOpened
from events.chain import HEADER, Head, Row
from events.codec import decode, decode_page
from events.envelope import Micros, Position, Recorded
from events.errors import LogDamagedError, LogError
from events.schema import is_damage, open_reader

PAGE = 250
"""Rows a statement: a statement that stays open would keep the writer from reusing its write-ahead log.

So few that they stay in the processor's cache until they are decoded: two thousand take half as long again.
"""

PAGE_CHOSEN = 2_000
"""The same where rows are chosen: finding the next ones may take longer than reading them."""

OPEN_MAX = 4
"""How many files are kept open at once."""

END = 2**63 - 1

_RECORDED = "SELECT seq, at, kind, schema, data, cause, basis, actor, seen FROM events"
_STORED = "SELECT * FROM events"


class Stored(msgspec.Struct, frozen=True, gc=False):
    """An event with every column of its row; `at` and `seen` are µs UTC."""

    seq: Position
    id: bytes
    stream: str
    version: int
    kind: str
    schema: int
    at: Micros
    seen: Micros | None
    cause: Position | None
    correlation: Position
    basis: Position | None
    actor: str | None
    data: str
    hash: bytes

    @property
    def event(self) -> Event:
        """The event itself, in its present schema."""
        return decode(self.kind, self.schema, self.data)

    @property
    def recorded(self) -> Recorded:
        """The event with its place in the log, as projections take it."""
        return Recorded(self.seq, self.at, self.event, self.cause, self.basis, self.actor, self.seen)


class Part(msgspec.Struct):
    """One file of the log: the positions `first` to `last`, None for the file that is being written.

    `put_aside` says that it was found damaged: what can be read of it is shown, the rest is skipped.
    """

    number: int
    path: Path
    first: Position
    opened: LogOpened
    last: Position | None = None
    put_aside: bool = False


class Reader:
    """Reads one home; safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.unreadable: list[LogDamagedError] = []
        """The files of which nothing can be read."""
        self._parts: list[Part] = []
        self._numbers: list[int] = []
        self._connections: dict[int, sqlite3.Connection] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            while self._connections:
                self._connections.popitem()[1].close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- events in order -----------------------------------------------------------------------

    def read(self, after: Position = 0, until: Position | None = None) -> Iterator[Recorded]:
        """Every event after `after`, up to and including `until`; it never passes a gap.

        Raises LogDamagedError at the first event that can't be read, unless its file was put aside already.
        """
        expected = after + 1
        for part, rows in self._forward(_RECORDED, "", (), after, until, PAGE):
            if part is self._parts[0] or (part.opened.reason == "damaged" and rows[0][0] == part.first):
                expected = max(expected, part.first)
            if not part.put_aside and (rows[0][0] != expected or rows[-1][0] - expected + 1 != len(rows)):
                raise _missing(part, expected)
            yield from self._recorded(part, rows)
            expected = rows[-1][0] + 1
        for part in self._parts:
            if until is not None and max(expected, part.first) <= until <= (part.last or 0) and not part.put_aside:
                raise _missing(part, expected)

    def follow(self, after: Position, wait: Callable[[], bool]) -> Iterator[Recorded]:
        """Every event after `after`, those included that are still to come; it never passes a gap.

        Where there is none, `wait` returns when it is time to look again; it ends the iteration by returning False.
        """
        while True:
            for recorded in self.read(after):
                after = recorded.seq
                yield recorded
            if not wait():
                return

    def rows(
        self,
        after: Position = 0,
        until: Position | None = None,
        *,
        kinds: Collection[str] = (),
        streams: Collection[str] = (),
        since: Micros | None = None,
        search: str = "",
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Stored]:
        """The events with all their columns: of these kinds, of these streams, not before `since`, containing `search`.

        `search` is looked for in the data, the kind, the stream and the actor, whatever its case.
        """
        if since is not None:
            after = max(after, self.seq_at(since - 1))
        where, values = _filter(kinds, streams, search)
        left = limit
        pages = self._backward if newest_first else self._forward
        size = PAGE_CHOSEN if where else PAGE
        if limit is not None:
            size = max(1, min(size, limit))
        for _, rows in pages(_STORED, where, values, after, until, size):
            for row in rows if left is None else rows[:left]:
                yield Stored(*row)
            if left is not None:
                left -= len(rows)
                if left <= 0:
                    return

    def get(self, seq: Position) -> Stored | None:
        """The event at a position; None where there is none."""
        return next(self.rows(seq - 1, seq), None)

    def caused_by(self, seq: Position) -> list[Stored]:
        """The events that this one caused, in order."""
        pages = self._forward(_STORED, " AND cause = ?", [seq], seq, None, PAGE_CHOSEN)
        return [Stored(*row) for _, rows in pages for row in rows]

    # -- positions -----------------------------------------------------------------------------

    @property
    def head(self) -> Head:
        """The last event; false while there is none."""
        self._refresh()
        for part in reversed(self._parts):
            row = self._execute(part, "SELECT seq, at, hash FROM events ORDER BY seq DESC LIMIT 1", ())
            if row:
                return Head(*row[0])
        return Head(0, 0, b"")

    def file_start(self, seq: Position | None = None) -> Position:
        """The first event of the file that holds `seq`, or of the last file; 0 without any.

        It carries the state of that moment, so that nobody has to start further back.
        """
        self._refresh()
        starts = [part.first for part in self._parts if seq is None or part.first <= seq]
        return starts[-1] if starts else 0

    def seq_at(self, moment: Micros) -> Position:
        """The last position at or before a moment; 0 where there is none. Moments never decrease with positions."""
        head = self.head
        if not head:
            return 0
        low, high = self._parts[0].first - 1, head.seq
        while low < high:
            middle = (low + high + 1) // 2
            at = self._at(middle)
            if at is not None and at <= moment:
                low = middle
            else:
                high = middle - 1
        return low if low >= self._parts[0].first else 0

    def _at(self, seq: Position) -> Micros | None:
        for part in reversed(self._parts):
            if part.first <= seq:
                rows = self._execute(part, "SELECT at FROM events WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,))
                return rows[0][0] if rows else None
        return None

    def last_readable(self) -> tuple[Head, str]:
        """The last event before the first one that can't be read, and the name of the log; 0 and "" without any."""
        self._refresh()
        for part in reversed(self._parts):
            last: Row | None = None
            try:
                for _, rows in self._forward(
                    "SELECT seq, at, hash FROM events", "", (), part.first - 1, part.last, PAGE
                ):
                    last = rows[-1]
            except LogDamagedError:
                pass
            if last is not None:
                return Head(*last), part.opened.log_id
        return Head(0, 0, b""), ""

    # -- pages ---------------------------------------------------------------------------------

    def _recorded(self, part: Part, rows: Sequence[Row]) -> Iterator[Recorded]:
        seqs, ats, kinds, schemas, data, *rest = zip(*rows, strict=True)
        try:
            events = decode_page(kinds, schemas, data)
        except (msgspec.DecodeError, TypeError) as error:
            return self._recorded_one_by_one(part, rows, error)
        return map(Recorded, seqs, ats, events, *rest)

    def _recorded_one_by_one(self, part: Part, rows: Sequence[Row], error: Exception) -> Iterator[Recorded]:
        for seq, at, kind, schema, data, *rest in rows:
            try:
                event = decode(kind, schema, data)
            except (msgspec.DecodeError, TypeError) as found:
                if not part.put_aside:
                    raise LogDamagedError(part.path.name, f"event {seq} can't be read: {found}", seq - 1) from error
            else:
                yield Recorded(seq, at, event, *rest)

    def _forward(
        self, select: str, where: str, values: Sequence[Any], after: Position, until: Position | None, size: int
    ) -> Iterator[tuple[Part, list[Row]]]:
        query = f"{select} WHERE seq >= ? AND seq <= ?{where} ORDER BY seq LIMIT ?"
        position, end = after, END if until is None else until
        while position < end:
            self._refresh()
            part = next((it for it in self._parts if it.last is None or it.last > position), None)
            if part is None:
                return
            position = max(position, part.first - 1)
            high = end if part.last is None else min(end, part.last)
            rows, covered = self._page(part, query, values, position, high, size)
            if rows:
                yield part, rows
            if covered < high:
                position = covered
            elif part.last is not None:
                position = high
            else:
                position = rows[-1][0] if rows else position
                self._refresh()
                if part is self._parts[-1]:
                    return

    def _backward(
        self, select: str, where: str, values: Sequence[Any], after: Position, until: Position | None, size: int
    ) -> Iterator[tuple[Part, list[Row]]]:
        query = f"{select} WHERE seq >= ? AND seq <= ?{where} ORDER BY seq DESC LIMIT ?"
        self._refresh()
        for part in reversed(self._parts):
            low = max(after, part.first - 1)
            high = min(END if until is None else until, END if part.last is None else part.last)
            while low < high:
                try:
                    rows = self._execute(part, query, (low + 1, high, *values, size))
                    covered = rows[-1][0] - 1 if len(rows) == size else low
                except LogDamagedError as error:
                    if not part.put_aside:
                        raise
                    covered = max(low, high - PAGE)
                    rows = self._one_by_one(part, query, values, covered, high, error)[0][::-1]
                if rows:
                    yield part, rows
                high = covered

    def _page(
        self, part: Part, query: str, values: Sequence[Any], low: Position, high: Position, size: int
    ) -> tuple[list[Row], Position]:
        """The rows of one page, and the position up to which they are all there is."""
        try:
            rows = self._execute(part, query, (low + 1, high, *values, size))
        except LogDamagedError as error:
            return self._one_by_one(part, query, values, low, min(low + PAGE, high), error)
        return rows, rows[-1][0] if len(rows) == size else high

    def _one_by_one(
        self, part: Part, query: str, values: Sequence[Any], low: Position, high: Position, error: LogDamagedError
    ) -> tuple[list[Row], Position]:
        """What can be read of a broken page, but only what comes before the damage where the file is not put aside."""
        rows: list[Row] = []
        for seq in range(low, high):
            try:
                rows += self._execute(part, query, (seq + 1, seq + 1, *values, 1))
            except LogDamagedError:
                if not part.put_aside:
                    high = seq
                    break
        if high == low or (not part.put_aside and high - low == PAGE):
            raise LogDamagedError(error.file, error.problem, low) from error
        return rows, high

    # -- files ---------------------------------------------------------------------------------

    def _execute(self, part: Part, query: str, values: Sequence[Any]) -> list[Row]:
        with self._lock:
            try:
                return self._connection(part).execute(query, values).fetchall()
            except sqlite3.Error as error:
                if is_damage(error):
                    raise LogDamagedError(part.path.name, str(error), part.first - 1) from error
                raise LogError(f"{part.path}: can't be read: {error}") from error

    def _connection(self, part: Part) -> sqlite3.Connection:
        connection = self._connections.pop(part.number, None)
        if connection is None:
            connection = open_reader(part.path)
        self._connections[part.number] = connection
        if len(self._connections) > OPEN_MAX:
            self._connections.pop(next(iter(self._connections))).close()
        return connection

    def _refresh(self) -> None:
        """Notice files that were begun since the last look."""
        with self._lock:
            if self._numbers and not files.path_of(self.home, self._numbers[-1] + 1).exists():
                return
            for number in files.numbers(self.home):
                if number not in self._numbers:
                    self._numbers.append(number)
                    self._add(number)
            for part, after in pairwise(self._parts):
                part.last, part.put_aside = after.first - 1, after.opened.reason == "damaged"

    def _add(self, number: int) -> None:
        path = files.path_of(self.home, number)
        try:
            connection = open_reader(path)
            rows = connection.execute(f"{_STORED} ORDER BY seq LIMIT 1").fetchall()
            opened = decode(rows[0][4], rows[0][5], rows[0][HEADER]) if rows else None
        except (LogDamagedError, sqlite3.DatabaseError, msgspec.DecodeError) as error:
            self.unreadable.append(LogDamagedError(path.name, f"nothing of it can be read: {error}", 0))
            return
        if not isinstance(opened, LogOpened):
            self.unreadable.append(LogDamagedError(path.name, "its first event is not the opening of a log", 0))
            connection.close()
            return
        self._connections[number] = connection
        self._parts.append(Part(number, path, rows[0][0], opened))


def _missing(part: Part, expected: Position) -> LogDamagedError:
    return LogDamagedError(part.path.name, f"events are missing after {expected - 1}", expected - 1)


def _filter(kinds: Collection[str], streams: Collection[str], search: str) -> tuple[str, list[Any]]:
    conditions, values = "", []
    for column, wanted in (("kind", kinds), ("stream", streams)):
        if wanted:
            conditions += f" AND {column} IN ({', '.join('?' * len(wanted))})"
            values += list(wanted)
    if search:
        text = re.sub(r"([\\%_])", r"\\\1", search)
        columns = ("data", "kind", "stream", "actor")
        conditions += f" AND ({' OR '.join(f'{it} LIKE ? ESCAPE ?' for it in columns)})"
        values += [f"%{text}%", "\\"] * len(columns)
    return conditions, values

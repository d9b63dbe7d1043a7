"""The event log: the only writer of the history of one home."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from events import files, opening, rotation
from events.catalog import Event, LogDamaged, LogFull, LogOpened
from events.chain import Head, Row
from events.envelope import Micros, Position, Recorded
from events.errors import LogDamagedError
from events.errors import LogError as LogError
from events.errors import LogFullError as LogFullError
from events.keeper import Keeper
from events.ledger import Ledger
from events.lock import Lock
from events.reader import Reader
from events.schema import INSERT, Connect, connect, is_damage, is_full, prepare

SIZE_LIMIT_BYTES = 64 * 1024 * 1024
"""Above this the books are closed: about 150,000 events, which replay in under a second."""

BALLAST_BYTES = 4 * 1024 * 1024
ROTATION_RETRY_SECONDS = 60.0

Salvage = Callable[[Iterator[Recorded]], bytes]
"""Folds the readable part of a damaged file into the state that the next file carries."""

logger = logging.getLogger(__name__)


def wall_clock() -> Micros:
    """The present moment."""
    return time.time_ns() // 1000


class Log:
    """Holds the lock of a home and appends to its history; one thread at a time."""

    def __init__(
        self,
        home: Path,
        lock: Lock,
        *,
        size_limit_bytes: int,
        ballast_bytes: int,
        salvage: Salvage | None,
        now: Callable[[], Micros],
        connect: Connect,
    ) -> None:
        self.home, self._lock, self._connect, self._size_limit_bytes = home, lock, connect, size_limit_bytes
        rotation.sweep(home)
        found = opening.inspect(home, connect)
        self.log_id = found.log_id
        self._number = found.number
        self._damage = found.damage
        self._problems: list[Event] = [_told(it) for it in found.notes]
        self._rotate_after = float("-inf")
        self._closed = False
        self._keeper = Keeper(home, self._outside_head, ballast_bytes)
        if found.connection is None:
            self._ledger = Ledger(found.head, found.carried)
            self._begin(self._opened(max(now(), found.head.at + 1), _salvaged(home, found, salvage)), found.carried)
        else:
            self._ledger = Ledger(found.head, self)
            self._connection = found.connection
            self._remember_damage()
            if not found.notes:
                self._keeper.keep_head()
        self._keeper.start()

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        size_limit_bytes: int = SIZE_LIMIT_BYTES,
        ballast_bytes: int = BALLAST_BYTES,
        salvage: Salvage | None = None,
        now: Callable[[], Micros] = wall_clock,
        connect: Connect = connect,
    ) -> Log:
        """Become the writer of the log in `home`; a new log begins with LogOpened at position 1.

        Where the last file is damaged, a new one is begun that carries what `salvage` makes of the readable events.
        Raises LogLockedError when there is a writer already, LogError when the files can't be written.
        """
        home.mkdir(parents=True, exist_ok=True)
        lock = Lock(home / files.LOCK)
        try:
            return cls(
                home, lock, size_limit_bytes=size_limit_bytes, ballast_bytes=ballast_bytes,
                salvage=salvage, now=now, connect=connect,
            )  # fmt: skip
        except BaseException:
            lock.close()
            raise

    def close(self) -> None:
        """Write the head, let go of the files and let the next writer in; once is enough."""
        if self._closed:
            return
        self._closed = True
        self._keeper.close()
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._lock.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is known -------------------------------------------------------------------------

    @property
    def head(self) -> Head:
        """The last event that is durable."""
        return self._ledger.head

    @property
    def path(self) -> Path:
        """The file that is written to."""
        return files.path_of(self.home, self._number)

    @property
    def on_ballast(self) -> bool:
        """Whether the disk was full: only what matters should be recorded until there is room again."""
        return not self._keeper.has_ballast

    def take_problems(self) -> list[Event]:
        """What happened to the log since the last call, as events that are still to be recorded."""
        problems, self._problems = self._problems, []
        return problems

    def position_of(self, command_id: str) -> Position | None:
        """Where a command was received, None if it never was."""
        return self._one(
            "SELECT seq FROM events WHERE kind = 'command.received' AND json_extract(data, '$.command_id') = ?",
            command_id,
        ) or self._one("SELECT seq FROM carried_commands WHERE command_id = ?", command_id)

    def version_of(self, stream: str) -> int:
        """How many events a stream has."""
        return (
            self._one("SELECT max(version) FROM events WHERE stream = ?", stream)
            or self._one("SELECT version FROM carried_streams WHERE stream = ?", stream)
            or 0
        )

    def correlation_of(self, seq: Position) -> Position:
        """The first event of the story that an event belongs to; the event itself where that can't be read."""
        found = self._one("SELECT correlation FROM events WHERE seq = ?", seq)
        if found is None:
            with contextlib.suppress(LogError), Reader(self.home) as reader:
                stored = reader.get(seq)
                found = stored.correlation if stored else None
        return found or seq

    def _one(self, query: str, value: str | int) -> int | None:
        try:
            row = self._connection.execute(query, (value,)).fetchone()
        except sqlite3.Error as error:
            raise self._as_log_error(error) from error
        return None if row is None else row[0]

    # -- append --------------------------------------------------------------------------------

    def append(self, batch: Sequence[Recorded]) -> None:
        """Returns once all events of the batch are durable; they are in the log together or not at all.

        Raises LogFullError, LogDamagedError or LogError when they could not be written, DuplicateCommandError when
        one is a command that was received before, and OutOfOrderError when the batch does not follow the head.
        """
        if not batch:
            return
        with self._ledger.recording(batch) as rows:
            try:
                self._write(rows)
            except sqlite3.Error as error:
                self._write_again(rows, error)
        self._keeper.wake.set()

    def _write(self, rows: Sequence[Row]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, rows)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise

    def _write_again(self, rows: Sequence[Row], error: sqlite3.Error) -> None:
        freed_bytes = files.free_ballast(self.home) if is_full(error) else 0
        if not freed_bytes:
            raise self._as_log_error(error) from error
        self._keeper.ballast_freed()
        self._problems.append(LogFull(freed_bytes=freed_bytes, error=str(error)))
        try:
            self._write(rows)
        except sqlite3.Error as again:
            raise self._as_log_error(again) from again

    def _as_log_error(self, error: sqlite3.Error) -> LogError:
        if is_full(error):
            return LogFullError(f"{self.path}: {error}; make room on the disk, then the log goes on by itself.")
        if is_damage(error) or isinstance(error, sqlite3.IntegrityError):
            self._damage = LogDamagedError(self.path.name, str(error), self.head.seq)
            return self._damage
        return LogError(f"{self.path}: {error}; the log tries again.")

    # -- files ---------------------------------------------------------------------------------

    @property
    def wants_rotation(self) -> bool:
        """Whether a new file should be begun: this one is over its limit, or damaged."""
        if time.monotonic() < self._rotate_after:
            return False
        return self._damage is not None or self._size_bytes() > self._size_limit_bytes

    def rotate(self, at: Micros, state: bytes) -> Recorded:
        """Close the books: begin a new file whose first event carries the whole `state` (JSON).

        Returns that event, recorded at `at`. Raises LogError when it could not be made; then the old file goes on,
        and `wants_rotation` is False for a minute.
        """
        opened = self._opened(at, state)
        old = self._connection
        try:
            self._begin(opened, rotation.carried(old))
        except (sqlite3.Error, OSError) as error:
            self._rotate_after = time.monotonic() + ROTATION_RETRY_SECONDS
            raise LogError(f"{self.path}: no new log file could be begun: {error}; the old one goes on.") from error
        with contextlib.suppress(sqlite3.Error):
            rotation.finish(old)
            old.close()
        self._keeper.wake.set()
        return opened

    def _opened(self, at: Micros, state: bytes) -> Recorded:
        head, first = self.head, self.head.seq == 0
        return Recorded(head.seq + 1, at, LogOpened(
            log_id=self.log_id,
            previous_file=files.path_of(self.home, self._number).name if self._number else None,
            previous_seq=head.seq,
            previous_hash="" if first else head.hash.hex(),
            reason="damaged" if self._damage else "created" if first else "rotated",
            state=msgspec.Raw(state),
        ))  # fmt: skip

    def _begin(self, opened: Recorded, known: rotation.Carried) -> None:
        self._ledger.lookup = known
        try:
            with self._ledger.recording([opened]) as rows:
                path = rotation.create(self.home, self._number + 1, rows[0], known, self._connect)
                connection = self._open_new(path)
        finally:
            self._ledger.lookup = self
        self._connection, self._number = connection, self._number + 1
        if self._damage is not None:
            self._problems.append(_told(self._damage))
            self._damage = None
        self._keeper.keep_head()

    def _open_new(self, path: Path) -> sqlite3.Connection:
        """A new file that can't be written to must not stand in the way of the old one."""
        try:
            connection = self._connect(path)
            prepare(connection, path)
        except BaseException:
            path.unlink()
            raise
        return connection

    def _outside_head(self) -> files.OutsideHead:
        return files.OutsideHead.of(self.log_id, self.head)

    def _remember_damage(self) -> None:
        """A crash right after a damaged file was replaced must not keep it from being told."""
        row = self._connection.execute("SELECT * FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        opened = opening.opening_of(row)
        if opened is not None and opened.reason == "damaged":
            file = opened.previous_file or files.path_of(self.home, 1).name
            self._problems.append(LogDamaged(file=file, problem="it was put aside", last_good=opened.previous_seq))

    def _size_bytes(self) -> int:
        try:
            pages = self._connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            return int(pages.fetchone()[0])
        except sqlite3.Error:
            logger.exception("the size of %s is not known", self.path)
            return 0


def _told(error: LogDamagedError) -> LogDamaged:
    return LogDamaged(file=error.file, problem=error.problem, last_good=error.last_good)


def _salvaged(home: Path, found: opening.Found, salvage: Salvage | None) -> bytes:
    """The state that can still be known; null where there is none."""
    if found.damage is None or salvage is None:
        return b"null"
    with Reader(home) as reader:
        return salvage(_until_damage(reader.read(reader.file_start() - 1, found.damage.last_good)))


def _until_damage(history: Iterator[Recorded]) -> Iterator[Recorded]:
    with contextlib.suppress(LogDamagedError):
        yield from history

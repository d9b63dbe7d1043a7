"""Questions in SQL to the tables: only reading, for a bounded time, with a bounded answer."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from events.envelope import Position

Cell = str | int | float | bytes | None

BYTES_MAX = 16 << 20
"""Of one answer, as of one value."""

STEPS = 10_000
"""How many steps of SQLite's machine are taken between two looks at the clock."""

BUSY_SECONDS = 5.0
PRAGMAS = {
    "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
    "data_version", "compile_options", "function_list",
}  # fmt: skip
FORBIDDEN = {
    sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT,
    sqlite3.SQLITE_CREATE_TEMP_TABLE, sqlite3.SQLITE_CREATE_TEMP_INDEX, sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
    sqlite3.SQLITE_CREATE_TEMP_VIEW, sqlite3.SQLITE_CREATE_VTABLE,
}  # fmt: skip
"""What a connection that only reads could still write, or reach other files, with.

The rest is left to that connection: the search index asks for more than reading while it is opened.
"""


class QuestionError(Exception):
    """SQL that is not answered: what was expected, and what was found."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(found)
        self.expected, self.found = expected, found


class Answer(msgspec.Struct, frozen=True):
    """The columns and rows of an answer; `more` says that there are rows which were left out."""

    columns: list[str]
    rows: list[tuple[Cell, ...]]
    more: bool


class AnswerView(msgspec.Struct, frozen=True):
    """An answer of the tables as they were after event `seq`; `more` says that rows were left out.

    Each row is an object with the columns' names; bytes are written in hexadecimal.
    """

    seq: Position
    columns: list[str]
    rows: list[dict[str, str | int | float | None]]
    more: bool


def shown(seq: Position, answer: Answer) -> AnswerView:
    """The answer for programs."""
    rows = [
        {name: it.hex() if isinstance(it, bytes) else it for name, it in zip(answer.columns, row, strict=True)}
        for row in answer.rows
    ]
    return AnswerView(seq, answer.columns, rows, answer.more)


def ask(path: Path, sql: str, rows_max: int, seconds_max: float, values: Sequence[Cell] = ()) -> Answer:
    """The answer of the tables in `path`; raises QuestionError."""
    ends = time.monotonic() + seconds_max
    with contextlib.closing(_open(path, lambda: time.monotonic() > ends)) as connection:
        try:
            cursor = connection.execute(sql, tuple(values))
            if cursor.description is None:
                raise QuestionError("one SELECT", "a statement that answers nothing" if sql.strip() else "nothing")
            found = _bounded(cursor, rows_max)
            names = _apart([column[0] for column in cursor.description])
            return Answer(names, found, cursor.fetchone() is not None)
        except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as error:
            raise _told(error, seconds_max) from error


def _open(path: Path, late: Callable[[], bool]) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, BYTES_MAX)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_progress_handler(late, STEPS)
    connection.set_authorizer(_allowed)
    return connection


def _allowed(action: int, first: str | None, _: str | None, __: str | None, ___: str | None) -> int:
    allowed = first in PRAGMAS if action == sqlite3.SQLITE_PRAGMA else action not in FORBIDDEN
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _bounded(cursor: Iterator[tuple[Cell, ...]], rows_max: int) -> list[tuple[Cell, ...]]:
    """Rows up to a number, and up to a size."""
    found: list[tuple[Cell, ...]] = []
    left = BYTES_MAX
    for row in cursor:
        found.append(row)
        left -= sum(len(cell) if isinstance(cell, str | bytes) else 8 for cell in row)
        if len(found) >= rows_max or left <= 0:
            break
    return found


def _apart(names: Sequence[str]) -> list[str]:
    """The names of the columns, told apart where they are the same: `name`, `name_2`."""
    found: list[str] = []
    for name in names:
        number, new = 1, name
        while new in found:
            number += 1
            new = f"{name}_{number}"
        found.append(new)
    return found


def _told(error: Exception, seconds_max: float) -> QuestionError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_INTERRUPT:
        return QuestionError(f"an answer within {seconds_max:g} s", "a question that takes longer")
    if code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY) or str(error).startswith("not authorized"):
        return QuestionError("one SELECT: the tables are only read", str(error))
    if code == sqlite3.SQLITE_TOOBIG:
        return QuestionError(f"values of at most {BYTES_MAX} bytes", str(error))
    return QuestionError("SQL that SQLite understands", str(error))

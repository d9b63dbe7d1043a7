"""The history as tables for SQL: a database that is only ever derived from the log, and can be thrown away.

`tables.db` in the home works with any tool that reads SQLite, such as Datasette; it catches up when it is asked.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
from sqlite_utils import Database

from events.envelope import Position
from events.reader import Stored
from projections import views
from projections.history import History, fold_digest
from projections.rows import TABLES, Change, changes
from projections.state import State

FILE = "tables.db"
PAGE = 5_000
BUSY_SECONDS = 60.0
META, SEARCH = "nexus", "events_fts"
SEARCHED = ("summary", "kind", "stream", "actor", "data")
TOKENS = "unicode61 tokenchars '_'"

Progress = Callable[[Position, Position], None]
"""Called with the position that has been reached and the one that will be."""


class Tables:
    """The tables of one home."""

    def __init__(self, history: History) -> None:
        self.history, self.path = history, history.home / FILE

    def rebuild(self, progress: Progress | None = None) -> Position:
        """Make the tables anew, whatever is in them; the position that they then show."""
        return self._written(progress, anew=True)

    def catch_up(self, progress: Progress | None = None) -> Position:
        """Bring the tables up to the present; the position that they then show.

        Tables that another version of Nexus made, or that belong to another log, are made anew. Raises LogError.
        """
        return self._written(progress, anew=False)

    def _written(self, progress: Progress | None, anew: bool) -> Position:
        try:
            return self._write(progress, anew)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise
        self._remove()
        return self._write(progress, anew)

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _write(self, progress: Progress | None, anew: bool) -> Position:
        with self._open() as database, _transaction(database):
            known = None if anew else self._known(database)
            head = self.history.reader.head
            if known is None or known > head.seq:
                _create(database, self._identity())
                known = 0
            if known < head.seq:
                for page in _pages(self.history.reader.rows(known, head.seq)):
                    _write_page(database, page)
                    if progress is not None:
                        progress(page[-1].seq, head.seq)
                _show_present(database, self.history.at(head.seq))
        return head.seq

    @contextlib.contextmanager
    def _open(self) -> Iterator[Database]:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = wal").fetchall()
            connection.execute("PRAGMA synchronous = off")
            yield Database(connection, execute_plugins=False)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()

    def _identity(self) -> str:
        """What makes tables ours: the code that derives them, and the log."""
        first = next(self.history.reader.rows(limit=1), None)
        return f"{fold_digest()} {first.hash.hex() if first else ''}"

    def _known(self, database: Database) -> Position | None:
        """The position that the tables show; None where they are not ours."""
        if META not in database.table_names():
            return None
        found = {row["key"]: row["value"] for row in database.table(META).rows}
        return int(found["seq"]) if found.get("identity") == self._identity() else None


@contextlib.contextmanager
def _transaction(database: Database) -> Iterator[None]:
    """All or nothing; whoever else wants to write waits."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _pages(rows: Iterator[Stored]) -> Iterator[list[Stored]]:
    while page := list(islice(rows, PAGE)):
        yield page


def _create(database: Database, identity: str) -> None:
    for name in (*database.view_names(), SEARCH, *reversed(TABLES), META):
        database.execute(f'DROP TABLE IF EXISTS "{name}"')
    for name, table in TABLES.items():
        key = next(iter(table.columns))
        references = [(column, other, next(iter(TABLES[other].columns))) for column, other in table.references.items()]
        made = database.table(name).create(table.columns, pk=key, foreign_keys=references)
        for column in table.indexed:
            made.create_index([column])
    database.table("events").enable_fts(SEARCHED, tokenize=TOKENS)
    database.table(META).insert_all([{"key": "identity", "value": identity}, {"key": "seq", "value": "0"}], pk="key")


def _write_page(database: Database, page: list[Stored]) -> None:
    """One page of the history. Changes of the same columns of a table go together, in their order."""
    batches: dict[tuple[str, ...], list[Change]] = {}
    for stored in page:
        for change in changes(stored):
            batches.setdefault((change.table, change.sets, *change.values), []).append(change)
    for (table, sets, *columns), found in sorted(batches.items(), key=lambda batch: bool(batch[0][1])):
        sql = _update(table, sets, columns) if sets else _upsert(table, columns)
        database.conn.executemany(sql, [{**change.values, "before": change.before} for change in found])
    first, last = page[0].seq, page[-1].seq
    words = ", ".join(SEARCHED)
    database.execute(
        f"INSERT INTO {SEARCH}(rowid, {words}) SELECT seq, {words} FROM events WHERE seq BETWEEN ? AND ?",  # noqa: S608
        [first, last],
    )
    database.table(META).upsert({"key": "seq", "value": str(last)}, pk="key")


def _upsert(table: str, columns: Sequence[str]) -> str:
    """Into the row with their key; sqlite-utils does the same at a third of the speed."""
    key, *others = columns
    names, values = ", ".join(f'"{it}"' for it in columns), ", ".join(f":{it}" for it in columns)
    changed = ", ".join(f'"{it}" = excluded."{it}"' for it in others)
    return f'INSERT INTO "{table}" ({names}) VALUES ({values}) ON CONFLICT ("{key}") DO UPDATE SET {changed}'  # noqa: S608


def _update(table: str, sets: str, columns: Sequence[str]) -> str:
    key = next(iter(TABLES[table].columns))
    where = "".join(f' AND "{column}" = :{column}' for column in columns if column != sets)
    return f'UPDATE "{table}" SET "{sets}" = :{sets} WHERE "{key}" < :before AND "{sets}" IS NULL{where}'  # noqa: S608


def _show_present(database: Database, state: State) -> None:
    """The tables of what is now, in place of what was."""
    shown = views.status(state, state.at).services
    for name in ("instances", "services"):
        database.execute(f'DELETE FROM "{name}"')  # noqa: S608
    database.table("services").insert_all(
        {"name": name, "state": it.state, "health": it.health, "category": it.category, "wanted": int(it.wanted),
         "depends_on": _json(it.depends_on), "why": it.why}
        for name, it in shown.items()
    )  # fmt: skip
    database.table("instances").insert_all(
        {"name": one.name, "service": name, "state": one.state, "health": one.health, "pid": one.pid,
         "ports": _json(one.ports), "restarts": one.restarts, "started_at": one.started_at, "problem": one.problem}
        for name, it in shown.items() for one in it.instances
    )  # fmt: skip


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

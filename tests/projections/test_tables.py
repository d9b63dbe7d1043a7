"""The tables for SQL: derived from the log, caught up, made anew, and readable by other tools."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from events.catalog import AlertRaised, AlertResolved, PortClosed, PortOpened
from events.envelope import Recorded
from projections import tables as tables_module
from projections.history import History
from projections.questions import ask
from projections.rows import TABLES
from projections.tables import Tables
from tests.cli.homes import BEGAN, GIVEN_UP, KILLED, LAST, record
from tests.http.story import Story


def rows(tables: Tables, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The answer to a question."""
    return ask(tables.path, sql, 1_000, 10, values).rows


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables of the incident."""
    tables = Tables(History(record(tmp_path_factory.mktemp("home"))))
    assert tables.catch_up() == LAST
    return tables


def test_every_event_and_decision_is_there(incident: Tables) -> None:
    """As in the log."""
    reader = incident.history.reader
    assert rows(incident, "SELECT seq, kind FROM events ORDER BY seq") == [(it.seq, it.kind) for it in reader.rows()]
    assert rows(incident, "SELECT outcome FROM decisions WHERE seq = 20") == [(21,)]


def test_a_run_from_its_decision_to_its_end(incident: Tables) -> None:
    """The database's first run, which was killed."""
    found = rows(incident, "SELECT instance, pid, signal, ending FROM runs ORDER BY run LIMIT 1")
    assert found == [("database.1", 4011, "KILL", "was ended by signal KILL")]


def test_what_is_now(incident: Tables) -> None:
    """Services and instances as they are at the last event."""
    assert rows(incident, "SELECT name, state, depends_on FROM services") == [
        ("database", "running", "[]"), ("router", "running", '["database"]'),
    ]  # fmt: skip
    assert rows(incident, "SELECT service, pid FROM instances") == [("database", 4031), ("router", 4032)]


def test_words_are_found(incident: Tables) -> None:
    """The index knows what an event says, in whatever case."""
    found = rows(incident, "SELECT rowid FROM events_fts('GIVE') WHERE rowid > 0")
    assert (GIVEN_UP,) in found
    assert (KILLED,) not in found


def test_other_tools_read_the_file(incident: Tables, tmp_path: Path) -> None:
    """A copy of the one file, opened as one that never changes, has keys, references and the search index."""
    copy = shutil.copy(incident.path, tmp_path / "copy.db")
    with sqlite3.connect(f"{Path(copy).as_uri()}?immutable=1", uri=True) as connection:
        database = Database(connection)
        for name, table in TABLES.items():
            found: Any = database[name]
            assert found.pks == [next(iter(table.columns))], name
            assert {it.column: it.other_table for it in found.foreign_keys} == table.references, name
        events: Any = database["events"]
        assert events.detect_fts() == "events_fts"
        assert [it["seq"] for it in events.search("killed OR give")]
    connection.close()


def test_catching_up_is_the_same_as_making_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever steps, over the end of a file too."""
    monkeypatch.setattr(tables_module, "PAGE", 7)
    story = Story(tmp_path).begin()
    tables = Tables(History(tmp_path))
    for instance in ("database.1", "web.1", "worker.2"):
        tables.catch_up()
        story.crash(instance)
        story.rotate()
    story.happen(*ended_and_begun_again())
    tables.catch_up()
    caught_up = everything(tables)
    tables.rebuild()
    assert everything(tables) == caught_up
    story.close()


def ended_and_begun_again() -> list[Any]:
    """A port and an alert that are over and come back, all in one page."""
    opened, closed = (kind(port=9, protocol="tcp", address="::") for kind in (PortOpened, PortClosed))
    raised = AlertRaised(rule="r", key="k", severity="info", subject="s", message="m", advice="")
    return [opened, closed, opened, raised, AlertResolved(rule="r", key="k", subject="s"), raised]


def everything(tables: Tables) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    return {name: rows(tables, f'SELECT * FROM "{name}" ORDER BY 1') for name in (*TABLES, "nexus")}


def test_what_comes_back_is_a_row_of_its_own(tmp_path: Path) -> None:
    """An end belongs to what began before it, not to what begins later in the same page."""
    events = enumerate(ended_and_begun_again(), start=2)
    tables = Tables(History(record(tmp_path, [Recorded(seq, BEGAN + seq, event) for seq, event in events])))
    tables.catch_up()
    assert [closed is None for (closed,) in rows(tables, "SELECT closed_at FROM open_ports ORDER BY seq")] == [
        False, True,
    ]  # fmt: skip
    assert [it is None for (it,) in rows(tables, "SELECT resolved_at FROM alerts ORDER BY seq")] == [False, True]


@pytest.mark.parametrize("spoil", ["another log", "no database", "another table"])
def test_tables_that_are_not_ours_are_made_anew(tmp_path: Path, spoil: str) -> None:
    """Whatever is in the file, it is thrown away for what the log says."""
    tables = Tables(History(record(tmp_path / "home")))
    if spoil == "another log":
        other = Tables(History(record(tmp_path / "other")))
        other.catch_up()
        shutil.copy(other.path, tables.path)
    elif spoil == "no database":
        tables.path.write_bytes(b"nothing that SQLite knows" * 100)
    else:
        with sqlite3.connect(tables.path) as connection:
            connection.execute("CREATE TABLE events(x)")
        connection.close()
    assert tables.catch_up() == LAST
    assert rows(tables, "SELECT count(*) FROM events") == [(LAST,)]
    (identity,) = rows(tables, "SELECT value FROM nexus WHERE key = 'identity'")
    first = tables.history.reader.get(1)
    assert first is not None
    assert first.hash.hex() in identity[0]


def test_a_failure_leaves_the_tables_as_they_were(tmp_path: Path) -> None:
    """Making anew is one transaction."""
    tables = Tables(History(record(tmp_path)))
    tables.catch_up()

    def fail(*_: int) -> None:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        tables.rebuild(fail)
    assert rows(tables, "SELECT count(*) FROM events") == [(LAST,)]


def test_progress_is_told(tmp_path: Path) -> None:
    """Up to the last event."""
    told: list[tuple[int, int]] = []
    Tables(History(record(tmp_path))).rebuild(lambda reached, head: told.append((reached, head)))
    assert told[-1] == (LAST, LAST)

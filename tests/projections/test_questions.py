"""Questions in SQL only read, end in time, and have bounded answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from projections import questions
from projections.history import History
from projections.questions import QuestionError, ask, shown
from projections.tables import Tables
from tests.cli.homes import LAST, record

FOREVER = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of the incident."""
    tables = Tables(History(record(tmp_path_factory.mktemp("home"))))
    tables.catch_up()
    return tables.path


def test_columns_and_rows(path: Path) -> None:
    """Columns of the same name are told apart."""
    answer = ask(path, "SELECT seq, kind, seq FROM events WHERE seq = ?", 10, 10, [16])
    assert (answer.columns, answer.rows, answer.more) == (["seq", "kind", "seq_2"], [(16, "run.exited", 16)], False)


def test_the_form_for_programs(path: Path) -> None:
    """Objects; bytes in hexadecimal."""
    view = shown(LAST, ask(path, "SELECT 1 AS a, x'ff00' AS b, NULL AS c", 10, 10))
    assert (view.seq, view.rows) == (LAST, [{"a": 1, "b": "ff00", "c": None}])


def test_rows_beyond_the_limit_are_told(path: Path) -> None:
    """By number and by size."""
    assert ask(path, "SELECT seq FROM events", LAST, 10).more is False
    answer = ask(path, "SELECT seq FROM events", LAST - 1, 10)
    assert (len(answer.rows), answer.more) == (LAST - 1, True)
    big = ask(path, f"SELECT zeroblob({questions.BYTES_MAX // 4}) FROM events", LAST, 10)
    assert (len(big.rows), big.more) == (4, True)


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM events", "DELETE FROM events RETURNING seq", "INSERT INTO events(seq) VALUES (99) RETURNING seq",
     "CREATE TABLE x(a)", "CREATE TEMP TABLE x AS SELECT * FROM events", "DROP TABLE events", "BEGIN", "ANALYZE",
     "ATTACH '{folder}/x.db' AS x", "VACUUM INTO '{folder}/x.db'", "PRAGMA journal_mode = delete",
     "PRAGMA temp_store_directory = '{folder}'", "SELECT load_extension('{folder}/x')",
     "INSERT INTO events_fts(events_fts) VALUES ('rebuild')"],
)  # fmt: skip
def test_nothing_is_changed_or_reached(path: Path, sql: str) -> None:
    """Not the tables, and no other file."""
    before, files = path.read_bytes(), sorted(path.parent.iterdir())
    with pytest.raises(QuestionError) as caught:
        ask(path, sql.format(folder=path.parent), 10, 10)
    assert caught.value.expected == "one SELECT: the tables are only read"
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == (before, files)


@pytest.mark.parametrize(
    ("sql", "expected", "found"),
    [("SELEC 1", "SQL that SQLite understands", 'near "SELEC": syntax error'),
     ("SELECT x FROM events", "SQL that SQLite understands", "no such column: x"),
     ("SELECT 1; SELECT 2", "SQL that SQLite understands", "one statement at a time"),
     ("SELECT ?", "SQL that SQLite understands", "bindings"),
     (" ", "one SELECT", "nothing"),
     ("-- a comment", "one SELECT", "a statement that answers nothing"),
     ("SELECT zeroblob(99999999)", "values of at most 16777216 bytes", "too big"),
     (FOREVER, "an answer within 0.1 s", "a question that takes longer")],
)  # fmt: skip
def test_what_is_not_answered(path: Path, sql: str, expected: str, found: str) -> None:
    """It is said what was expected and what was found."""
    with pytest.raises(QuestionError) as caught:
        ask(path, sql, 10, 0.1)
    assert caught.value.expected == expected
    assert found in caught.value.found


def test_text_that_is_none_is_shown_as_far_as_it_is(path: Path) -> None:
    """Bytes that are no UTF-8 do no harm."""
    assert ask(path, "SELECT CAST(x'41ff' AS TEXT)", 10, 10).rows == [("A\ufffd",)]


def test_the_tables_describe_themselves(path: Path) -> None:
    """The pragmas that only tell may be asked."""
    assert ("ending",) in ask(path, "SELECT name FROM pragma_table_info('runs')", 100, 10).rows
    assert len(ask(path, "PRAGMA foreign_key_list(runs)", 10, 10).rows) == 1

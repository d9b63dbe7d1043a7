"""The history for other tools: query, rebuild, export."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from events.catalog import CommandReceived
from events.envelope import Recorded
from events.log import Log
from nexus.cli.app import make_app
from tests.cli.homes import ENVIRONMENT, LAST, nexus, quickly, record
from tests.cli.test_reading import lines, read


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the incident."""
    return record(tmp_path_factory.mktemp("home"))


def test_a_question_is_answered_as_a_table(home: Path) -> None:
    """Aligned, each row a line."""
    printed = quickly(home, "query", "SELECT seq, kind FROM events WHERE seq IN (16, 33)").stdout
    assert printed.splitlines() == ["seq  kind", "16   run.exited", "33   service.given_up"]


def test_a_question_is_answered_for_programs(home: Path) -> None:
    """As JSON and as CSV, and from the input too."""
    sql = "SELECT rule, summary FROM decisions WHERE rule = 'restart.ladder' LIMIT 1"
    found = read(home, f'query "{sql}"')
    assert (found["seq"], found["columns"], found["more"]) == (LAST, ["rule", "summary"], False)
    printed = quickly(home, "query", sql, "--csv").stdout
    assert list(csv.reader(io.StringIO(printed))) == [["rule", "summary"], list(found["rows"][0].values())]
    result = CliRunner().invoke(
        make_app(lambda *_: None), ["--home", str(home), "query", "-", "--csv"], input=sql, env=ENVIRONMENT
    )
    assert result.stdout == printed


def test_rows_that_are_left_out_are_told(home: Path) -> None:
    """Beside the answer."""
    result = quickly(home, "query", "SELECT seq FROM events", "--limit", "3")
    assert result.stdout.splitlines() == ["seq", "1", "2", "3"]
    assert "more than these 3 rows" in result.stderr


def test_the_tables_are_listed(home: Path) -> None:
    """What may be asked."""
    printed = quickly(home, "query").stdout
    assert "runs: One process life" in printed
    assert "run" in read(home, "query")["tables"]["runs"]["columns"]


def test_a_question_sees_what_has_just_happened(tmp_path: Path) -> None:
    """The tables catch up before they answer."""
    record(tmp_path)
    assert read(tmp_path, "query 'SELECT count(*) AS n FROM events'")["rows"] == [{"n": LAST}]
    with Log.open(tmp_path, ballast_bytes=4096) as log:
        log.append([Recorded(LAST + 1, log.head.at + 1, CommandReceived(verb="up"))])
    assert read(tmp_path, "query 'SELECT max(seq) AS n FROM events'")["rows"] == [{"n": LAST + 1}]


def test_what_is_derived_is_made_anew(tmp_path: Path) -> None:
    """Tables and snapshots, whatever was there."""
    record(tmp_path)
    (tmp_path / "tables.db").write_bytes(b"spoiled" * 1000)
    (tmp_path / "snapshots" / "old").mkdir(parents=True)
    assert read(tmp_path, "rebuild") == {"seq": LAST, "tables": 10, "snapshots": 1}
    assert not (tmp_path / "snapshots" / "old").exists()
    assert "10 tables and 1 snapshots" in quickly(tmp_path, "rebuild").stdout
    assert read(tmp_path, "status --at 38") == read(record(tmp_path / "other"), "status --at 38")


def test_tables_that_cant_be_written(tmp_path: Path) -> None:
    """It is said which file, and what to do."""
    record(tmp_path)
    (tmp_path / "tables.db").mkdir()
    result = quickly(tmp_path, "query", "SELECT 1")
    assert result.exit_code == 1
    assert f"{tmp_path / 'tables.db'} can't be written" in result.stderr


def test_an_export_has_the_form_of_events(home: Path) -> None:
    """With the same filters."""
    whole = quickly(home, "export").stdout
    assert whole == quickly(home, "events", "--json").stdout
    chosen = quickly(home, "export", "--kind", "run", "--service", "database", "--from", "16", "--to", "30").stdout
    expected = lines(home, "events --kind run --service database --since 16 --at 30")
    assert [json.loads(line) for line in chosen.splitlines()] == expected


def test_an_export_as_csv(home: Path) -> None:
    """A head, then a row for each event."""
    printed = quickly(home, "export", "--format", "csv", "--search", "KILL", "--to", "17").stdout
    found = list(csv.DictReader(io.StringIO(printed)))
    assert [it["seq"] for it in found] == ["16", "17"]
    assert found[0]["summary"] == "database.1 was ended by signal KILL"
    assert json.loads(found[0]["data"])["signal"] == "KILL"


def test_an_export_as_cloudevents(home: Path) -> None:
    """Every attribute that the specification asks for, and names that it allows."""
    found = [json.loads(line) for line in quickly(home, "export", "--format", "cloudevents").stdout.splitlines()]
    assert len({(it["source"], it["id"]) for it in found}) == LAST
    for it in found:
        assert it["specversion"] == "1.0"
        assert all(name.isascii() and name.isalnum() and name.islower() for name in it)
        assert all(it[name] for name in ("id", "source", "type", "time", "sequence"))
    assert found[16]["type"] == "nexus.restart.scheduled"
    assert found[16]["nexuscause"] == 16


def test_an_export_is_written_whole_or_not_at_all(home: Path, tmp_path: Path) -> None:
    """A file that can't be written is told, and nothing is left of it."""
    file = tmp_path / "out.csv"
    assert f"{LAST} events in {file}" in quickly(home, "export", str(file), "--format", "csv").stdout
    assert len(file.read_text().splitlines()) == LAST + 1
    result = quickly(home, "export", str(tmp_path / "none" / "out.csv"))
    assert (result.exit_code, "can't be written" in result.stderr) == (1, True)
    assert [it.name for it in tmp_path.iterdir()] == ["out.csv"]


def test_nothing_to_ask(tmp_path: Path) -> None:
    """Where nothing was recorded there is nothing to ask."""
    result = nexus("--home", str(tmp_path), "query", "SELECT 1")
    assert (result.returncode, "nothing has been recorded" in result.stderr) == (1, True)

"""The history for other tools over the web: questions in SQL, exports and bundles."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from nexus.http.tokens import Tokens
from projections.history import History
from projections.unpacking import unpack
from tests.cli.homes import quickly
from tests.http.running import Api, running
from tests.http.story import Story


def ask(api: Api, sql: str, **more: Any) -> Any:
    """The answer to a question."""
    with api.client() as client:
        answer = client.post("/api/query", json={"sql": sql, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_question_has_the_answer_of_the_command_line(api: Api, home: Path) -> None:
    """The same form, and values for question marks."""
    sql = "SELECT rule, count(*) AS n FROM decisions GROUP BY rule"
    assert ask(api, sql) == json.loads(quickly(home, "query", sql, "--json").stdout)
    found = ask(api, "SELECT ? AS a, ? AS b, ? AS c", values=["web", 2, None])
    assert found["rows"] == [{"a": "web", "b": 2, "c": None}]
    assert ask(api, "SELECT seq FROM events", limit=2)["more"] is True


def test_a_question_sees_what_has_just_happened(tmp_path: Path) -> None:
    """The tables catch up before they answer."""
    story = Story(tmp_path).begin()
    with running(tmp_path) as api:
        assert ask(api, "SELECT max(seq) AS n FROM events")["rows"] == [{"n": story.state.seq}]
        story.crash("web.1")
        assert ask(api, "SELECT max(seq) AS n FROM events")["rows"] == [{"n": story.state.seq}]
    story.close()


@pytest.mark.parametrize(
    ("sql", "found"),
    [("DROP TABLE events", "readonly"), ("SELEC", "syntax error"), ("ATTACH 'x' AS y", "not authorized"),
     ("SELECT ?", "bindings"), ("\0", "")],
)  # fmt: skip
def test_what_is_no_question_is_told(api: Api, sql: str, found: str) -> None:
    """As a problem that says what was expected and found; the next question is answered."""
    with api.client() as client:
        answer = client.post("/api/query", json={"sql": sql})
    assert answer.status_code == 422, answer.text
    assert found in answer.json()["found"]
    assert ask(api, "SELECT 1 AS n")["rows"] == [{"n": 1}]


def test_who_may_read_may_ask(api: Api, home: Path) -> None:
    """Nothing of it changes anything, and all of it can be read elsewhere."""
    reader = Tokens(home).issue("reader", "read").secret
    with api.anonymous() as client:
        for name, method in (("query", "POST"), ("export", "GET"), ("bundle", "GET")):
            body = {"json": {"sql": "SELECT 1"}} if method == "POST" else {}
            assert client.request(method, f"/api/{name}", **body).status_code == 401  # type: ignore[arg-type]
            answer = client.request(method, f"/api/{name}", headers={"Authorization": f"Bearer {reader}"}, **body)  # type: ignore[arg-type]
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("form", ["ndjson", "csv", "cloudevents"])
def test_an_export_is_that_of_the_command_line(api: Api, home: Path, form: str) -> None:
    """The same lines; up to a moment, from a moment, of a kind, of a service, with a text."""
    queries: tuple[tuple[dict[str, str], list[str]], ...] = (
        ({}, []),
        ({"at": "9", "since": "3"}, ["--from", "4", "--to", "9"]),
        ({"kind": "run", "service": "web"}, ["--kind", "run", "--service", "web"]),
        ({"search": "WORKER"}, ["--search", "WORKER"]),
    )
    with api.client() as client:
        for query, options in queries:
            answer = client.get("/api/export", params={"format": form, **query})
            assert answer.status_code == 200, answer.text
            assert answer.text == quickly(home, "export", "--format", form, *options).stdout
            assert "attachment" in answer.headers["content-disposition"]


def test_an_export_of_nothing_is_empty(api: Api) -> None:
    """No such kind, or nothing since."""
    with api.client() as client:
        assert client.get("/api/export?kind=none").text == ""
        assert client.get("/api/export?at=3&since=7").text == ""
        assert client.get("/api/export?at=999999").status_code == 404
        assert client.head("/api/export").headers["nexus-position"].isdigit()


def test_a_long_export_comes_whole(tmp_path: Path) -> None:
    """In many parts."""
    story = Story(tmp_path).begin()
    story.fill(3_000)
    with running(tmp_path) as api, api.client() as client:
        rows = list(csv.DictReader(io.StringIO(client.get("/api/export?format=csv").text)))
    assert [int(it["seq"]) for it in rows] == list(range(1, story.state.seq + 1))
    story.close()


def test_a_bundle_over_the_web(api: Api, home: Path, tmp_path: Path) -> None:
    """Read elsewhere, it knows what was known here."""
    head = History(home).reader.head.seq
    with api.client() as client:
        answer = client.get("/api/bundle", params={"from": str(head - 3), "to": str(head)})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    file = tmp_path / "b.zip"
    file.write_bytes(answer.content)
    (tmp_path / "to").mkdir()
    manifest = unpack(file, tmp_path / "to")
    assert manifest.first <= head - 3
    assert manifest.last == head
    assert quickly(file, "status").stdout == quickly(home, "status", "--at", str(head)).stdout


def test_a_bundle_of_nothing(api: Api) -> None:
    """The interval has to have events, and to be one."""
    with api.client() as client:
        assert client.get("/api/bundle?from=9&to=3").status_code == 404
        assert client.get("/api/bundle?from=999999").status_code == 404
        assert client.get("/api/bundle?to=2020-01-01T00:00:00Z").status_code == 404
        assert client.get("/api/bundle?from=soon").status_code == 400
        assert client.get("/api/bundle?at=3").status_code == 400

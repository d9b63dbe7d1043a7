"""Every question with `at=` has the answer that the command line gives for that moment."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from nexus.http.operations import OPERATIONS
from tests.cli.homes import quickly
from tests.http.running import Api
from tests.http.story import Story

SAME: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "status": ("/api/status", "status", lambda it: it),
    "services": ("/api/services", "status", lambda it: {name: it[name] for name in ("seq", "at", "services")}),
    "service": (
        "/api/services/web", "status",
        lambda it: {"seq": it["seq"], "at": it["at"], "name": "web", "service": it["services"]["web"]},
    ),
    "ports": ("/api/ports", "ports", lambda it: it),
    "advice": ("/api/advice", "ports advise", lambda it: it),
    "patterns": ("/api/patterns", "patterns", lambda it: it),
    "predictions": ("/api/predictions", "patterns --due", lambda it: it),
    "leases": ("/api/leases", "lease", lambda it: it),
    "alerts": ("/api/alerts", "alerts", lambda it: it),
    "graph": ("/api/graph", "graph", lambda it: it),
    "incidents": ("/api/incidents", "incidents", lambda it: it),
    "endpoints": ("/api/endpoints", "endpoints", lambda it: it),
    "endpoints_changes": (
        "/api/endpoints/changes?since=1", "endpoints diff --from 1 --to",
        lambda it: {"breaking": it["breaking"], "changes": it["changes"]},
    ),
    "usage": ("/api/usage", "endpoints --usage", lambda it: it),
    "route": ("/api/route?method=GET&url=/health", "route explain GET /health", lambda it: it),
    "resources": ("/api/resources", "resources", lambda it: it),
    "decisions": ("/api/decisions?limit=1000", "decisions", lambda it: it["decisions"]),
    "events": ("/api/events?limit=1000", "events", lambda it: it),
    "export": ("/api/export", "events", lambda it: it),
}  # fmt: skip
"""By operation: the path, the command, and what of its JSON the web API answers."""

OF_ONE = {"event", "decision", "event_explanation", "decision_explanation"}
"""Those about one event, which are compared for every event."""

NO_COMMAND = {"port", "metrics", "metrics_text", "endpoints_document"}
"""`ports --who` has another form; the figures and the document have no command."""


def test_every_question_about_a_moment_is_compared() -> None:
    """A new operation with `at` has its command, or is known to have none."""
    asked = {
        it.name for it in OPERATIONS
        if it.method == "GET" and "at" in (field.name for field in msgspec.structs.fields(it.query))
    }  # fmt: skip
    assert asked == {*SAME, *OF_ONE, *NO_COMMAND}, "a new operation is added to SAME, with its command"


@pytest.fixture(scope="module")
def moments(story: Story) -> list[int]:
    """The end of a turn now and then, the first event, and one in the middle of a turn."""
    return [1, 4, 9, story.state.seq // 2, story.state.seq - 4, story.state.seq - 1]


def said(home: Path, command: str) -> Any:
    """The JSON of a command: one value, or one a line."""
    result = quickly(home, *shlex.split(command), "--json")
    assert result.exit_code == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return lines if command.startswith("events") else lines[0]


def told(answer: httpx.Response, name: str) -> Any:
    """What the web API answers, without what only it tells: words for each event, and where a page ends."""
    assert answer.status_code == 200, answer.text
    if name == "export":
        return [json.loads(line) for line in answer.text.splitlines()]
    found = answer.json()
    if name == "events":
        return [{key: value for key, value in it.items() if key != "summary"} for it in found["events"]]
    if name == "endpoints_changes":
        return {"breaking": found["breaking"], "changes": found["changes"]}
    return found["decisions"] if name == "decisions" else found


@pytest.mark.parametrize("name", SAME)
def test_a_moment_is_the_same_on_the_web_and_on_the_command_line(
    api: Api, home: Path, moments: list[int], name: str
) -> None:
    """At several moments of a story."""
    path, command, part = SAME[name]
    with api.client() as client:
        for moment in moments:
            if name == "service" and moment < 4:
                continue
            answer = client.get(path, params={**dict(httpx.URL(path).params), "at": moment})
            at = str(moment) if command.endswith("--to") else f"--at {moment}"
            assert told(answer, name) == part(said(home, f"{command} {at}")), moment


def test_every_event_is_explained_alike(api: Api, home: Path, moments: list[int]) -> None:
    """What it is, why it happened, and what had come of it by then."""
    moment = moments[3]
    events = {it["seq"]: it for it in said(home, f"events --at {moment}")}
    decisions = {it["id"]: it for it in said(home, f"decisions --at {moment}")["decisions"]}
    with api.client() as client:
        for seq, event in events.items():
            found = client.get(f"/api/events/{seq}?at={moment}").json()
            assert {key: value for key, value in found.items() if key != "summary"} == event
            explained = said(home, f"explain {seq} --at {moment}")
            assert client.get(f"/api/events/{seq}/explanation?at={moment}").json() == explained
            assert client.get(f"/api/decisions/{seq}/explanation?at={moment}").json() == explained
        for seq, decision in decisions.items():
            assert client.get(f"/api/decisions/{seq}?at={moment}").json() == decision

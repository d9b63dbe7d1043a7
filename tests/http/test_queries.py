"""What may be asked, and that a moment is answered as it was: on a recorded history and a real server."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.reader import Reader
from events.samples import Samples
from projections import alert_views, views
from projections.history import History
from projections.moments import iso
from tests.http.running import Api, running
from tests.http.story import STARTED_AT, Story


def get(api: Api, path: str, **query: Any) -> Any:
    """The JSON answer."""
    with api.client() as client:
        answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_services_are_found_where_programs_expect_them(api: Api) -> None:
    """By name, with state, health and the ports of each instance: what a router needs."""
    services = get(api, "/api/services")["services"]
    assert list(services) == ["database", "web", "worker"]
    assert services["database"]["state"] == "running"
    assert services["worker"]["instances"][1]["name"] == "worker.2"
    assert services["database"]["instances"][0]["ports"].keys() == {"main"}


def test_each_moment_is_answered_as_it_was(api: Api, home: Path) -> None:
    """For every position the answer is the view of `History.at`, for every question about the state."""
    history, head = History(home), get(api, "/api/status")["seq"]
    questions = {"ports": views.ports, "leases": views.leases, "alerts": alert_views.alerts, "graph": views.graph}
    for seq in range(1, head):
        state = history.at(seq)
        assert get(api, "/api/status", at=seq) == json.loads(msgspec.json.encode(views.status(state, state.at)))
        for name, view in questions.items():
            assert get(api, f"/api/{name}", at=seq) == json.loads(msgspec.json.encode(view(state))), (name, seq)


def test_a_moment_is_a_time_as_well(api: Api, home: Path) -> None:
    """ISO times name the last event up to then; before the first one there is nothing."""
    with Reader(home) as reader:
        fourth = reader.get(4)
    assert fourth is not None
    assert get(api, "/api/status", at=iso(fourth.at))["seq"] >= 4
    assert get(api, "/api/status", at=iso(STARTED_AT - 1))["services"] == {}


def test_what_has_not_happened_is_not_found(api: Api) -> None:
    """A position beyond the end is named, with the last one."""
    with api.client() as client:
        answer = client.get("/api/status", params={"at": 10_000})
    assert answer.status_code == 404
    assert "10000" in answer.json()["thing"]


@pytest.mark.parametrize("text", ["soon", "12:99", "-3", "2026-13-01T00:00:00Z", "null", ""])
def test_a_moment_that_is_none_is_refused(api: Api, text: str) -> None:
    """The answer says which forms there are."""
    with api.client() as client:
        answer = client.get("/api/status", params={"at": text})
    assert answer.status_code == 400
    assert "at" in answer.json()["thing"]


def test_pages_follow_each_other_without_gap_or_overlap(api: Api) -> None:
    """Forward by `after`, backward by `before`."""
    everything = [it["seq"] for it in get(api, "/api/events", limit=1000)["events"]]
    forward: list[int] = []
    following: int | None = 0
    while following is not None:
        page = get(api, "/api/events", after=following, limit=7)
        forward += [it["seq"] for it in page["events"]]
        following = page["next"]
    backward: list[int] = []
    before: int | None = everything[-1] + 1
    while before is not None:
        page = get(api, "/api/events", before=before, limit=7, newest_first=True)
        backward += [it["seq"] for it in page["events"]]
        before = page["next"]
    assert forward == everything == backward[::-1] == list(range(1, len(everything) + 1))


def test_events_are_found_by_what_they_are_about(api: Api) -> None:
    """By kind, family, service, stream, text and time, and by several of them at once."""
    events = get(api, "/api/events", limit=1000)["events"]

    def found(**query: Any) -> list[int]:
        return [it["seq"] for it in get(api, "/api/events", limit=1000, **query)["events"]]

    def wanted(test: Any) -> list[int]:
        return [it["seq"] for it in events if test(it)]

    assert found(kind="run.exited") == wanted(lambda it: it["kind"] == "run.exited") != []
    assert found(kind="run") == wanted(lambda it: it["kind"].startswith("run.")) != []
    assert found(service="web") == wanted(lambda it: it["stream"] == "service/web") != []
    assert found(stream="nexus") == wanted(lambda it: it["stream"] == "nexus") != []
    assert found(search="EXIT_CODE") == wanted(lambda it: "exit_code" in json.dumps(it["data"])) != []
    assert found(search="somebody") == wanted(lambda it: it["actor"] == "somebody") != []
    assert found(service="web", stream="nexus") == found(kind="no.such") == []
    assert found(kind="run", service="web", at=12) == wanted(
        lambda it: it["kind"].startswith("run.") and it["stream"] == "service/web" and it["seq"] <= 12
    )


def test_decisions_say_why(api: Api) -> None:
    """Each with its rule, values, rejected options and outcome; an explanation leads to the command at the root."""
    decisions = get(api, "/api/decisions", limit=1000)["decisions"]
    restart = next(it for it in decisions if it["rule"].startswith("restart"))
    assert restart == get(api, f"/api/decisions/{restart['id']}")
    start = next(it for it in decisions if it["rule"] == "startup.wanted")
    explained = get(api, f"/api/decisions/{start['id']}/explanation")
    assert explained["rule"] == "startup.wanted"
    assert explained["outcome"][0]["kind"] == "run.started"
    assert explained == get(api, f"/api/events/{start['id']}/explanation")
    with api.client() as client:
        assert client.get("/api/decisions/1").status_code == 404
        assert client.get("/api/decisions/100000").status_code == 404


def test_an_explanation_knows_nothing_of_the_future(api: Api) -> None:
    """As of a moment, only what had come of a decision by then."""
    start = next(it for it in get(api, "/api/decisions")["decisions"] if it["rule"] == "startup.wanted")
    assert get(api, f"/api/decisions/{start['id']}/explanation", at=start["id"])["outcome"] == []
    assert get(api, f"/api/decisions/{start['id']}", at=start["id"])["outcome"] is None


def test_who_has_a_port(api: Api) -> None:
    """One port: whose it is, and null for one that nobody has."""
    known = get(api, "/api/ports")["ports"][0]
    assert get(api, f"/api/ports/{known['port']}")["port"] == known
    assert get(api, "/api/ports/9")["port"] is None
    with api.client() as client:
        assert client.get("/api/ports/65536").status_code == 404


def test_an_answer_is_not_sent_twice(api: Api) -> None:
    """What has not changed since is 304; the tag is the position."""
    with api.client() as client:
        first = client.get("/api/ports")
        tag = first.headers["etag"]
        again = client.get("/api/ports", headers={"If-None-Match": tag})
        past = client.get("/api/ports", params={"at": 9})
        other = client.get("/api/ports", params={"at": 10}, headers={"If-None-Match": past.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert str(first.json()["seq"]) in tag
    assert other.status_code == 200


def test_the_tag_changes_with_the_log(tmp_path: Path) -> None:
    """An event later, the same question is answered anew: what was committed before a request is in its answer."""
    story = Story(tmp_path).begin()
    with running(tmp_path) as api, api.client() as client:
        for _ in range(20):
            tag = client.get("/api/status").headers["etag"]
            story.fill(1)
            answer = client.get("/api/status", headers={"If-None-Match": tag})
            assert (answer.status_code, answer.json()["seq"]) == (200, story.state.seq)
    story.close()


def test_looking_back_does_not_hold_up_the_present(tmp_path: Path) -> None:
    """While a long history is folded for one, another is answered at once."""
    story = Story(tmp_path).begin()
    story.fill(60_000)
    with running(tmp_path) as api, ThreadPoolExecutor(1) as elsewhere:
        get(api, "/api/status", at=10)
        back = elsewhere.submit(get, api, "/api/status", at=story.state.seq - 1)
        answered = 0
        while not back.done():
            get(api, "/api/services")
            answered += 1
        assert back.result()["seq"] == story.state.seq - 1
    assert answered >= 3
    story.close()


@pytest.mark.parametrize(
    ("query", "thing"),
    [({"limit": 0}, "limit"), ({"limit": 1001}, "limit"), ({"limit": "ten"}, "limit"), ({"nope": 1}, "nope"),
     ({"newest_first": "perhaps"}, "newest_first"), ({"before": "null"}, "before")],
)  # fmt: skip
def test_a_bad_query_is_named(api: Api, query: dict[str, Any], thing: str) -> None:
    """The key, what was expected and what was found."""
    with api.client() as client:
        answer = client.get("/api/events", params=query)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert thing in answer.json()["detail"]


def test_a_log_is_shown_by_its_end(api: Api, home: Path) -> None:
    """Whole lines, the last ones by default, and the part that follows a byte."""
    (home / "logs").mkdir(exist_ok=True)
    (home / "logs" / "database.1.log").write_text("".join(f"line {i}\n" for i in range(1000)))
    last = get(api, "/api/services/database/logs", limit=30)
    assert last["lines"] == ["line 997", "line 998", "line 999"]
    before = get(api, "/api/services/database/logs", start=0, limit=20)
    assert (before["lines"], before["start"], before["end"]) == (["line 0", "line 1"], 0, 14)
    assert get(api, "/api/services/database/logs", start=14, limit=7)["lines"] == ["line 2"]
    with api.client() as client:
        assert client.get("/api/services/database/logs?instance=2").status_code == 404


def test_figures_are_what_prometheus_reads(api: Api) -> None:
    """Every line is a comment or a sample; the state of each service is one of its possible ones."""
    with api.client() as client:
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert samples['nexus_service_state{service="database",state="running"}'] == "1"
    assert samples['nexus_service_state{service="database",state="failed"}'] == "0"
    assert int(samples["nexus_log_position"]) == get(api, "/api/status")["seq"]
    assert get(api, "/api/metrics")["metrics"][1]["name"] == "nexus_log_position"


def test_what_was_used_is_told_by_the_second(api: Api, story: Story) -> None:
    """A series of the samples beside the log, up to now and of the past; wrong bounds and names are refused."""
    samples, now = Samples(story.home, 1 << 30, 86_400.0), time.time_ns() // 1_000
    for second in range(5):
        samples.add(now - second * 1_000_000, {"web.1": (50, 1024, 1, 2, 3, 0, 0)})
    everything = get(api, "/api/resources")
    assert everything["services"]["web"]["web.1"]["now"]["cpu"] == 0.5
    assert everything["services"]["web"]["web.1"]["minute"] is None
    assert get(api, "/api/resources", at=9)["services"]["web"]["web.1"] == {"minute": None, "now": None}
    shown = get(api, "/api/services/web/resources", since="1 min ago", points=6)
    assert shown["seconds"] == pytest.approx(10)
    assert [it for it in shown["instances"]["web.1"]["memory_bytes"]["max"] if it] == [1 << 20]
    assert get(api, "/api/services/web/resources", since="2", until="9")["instances"] == {}
    with api.client() as client:
        for path, status in (("web/resources?since=9&until=2", 404), ("web/resources?since=soon", 400),
                             ("web/resources?since=999999", 404), ("cache/resources", 404)):  # fmt: skip
            assert client.get(f"/api/services/{path}").status_code == status, path
        first = client.get("/api/resources")
        assert "etag" not in first.headers

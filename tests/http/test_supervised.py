"""The web API as Nexus runs it: commands with their outcome, and what happens when either side dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from nexus.http.tokens import Tokens
from tests.http.streams import Stream
from tests.http.supervised import System, supervised
from tests.waiting import until

CONFIGURATION = """
[nexus]
project = "shop"
[services.web]
command = "{python} -m http.server {port} --bind 127.0.0.1"
port = "auto"
health = { http = "/", interval = "200ms" }
[services.worker]
command = "sleep 600"
depends_on = ["web"]
[services.doomed]
command = "false"
restart = { delays = ["10ms"] }
autostart = false
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A supervisor with two services that run and one that can't."""
    with supervised(tmp_path_factory.mktemp("shop"), CONFIGURATION) as found:
        yield found


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    """The operator."""
    with system.client() as found:
        yield found


def command(client: httpx.Client, path: str, key: str = "") -> Any:
    """The answer to a command."""
    answer = client.post(path, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_a_restart_is_waited_for(client: httpx.Client) -> None:
    """The answer comes when the service is well again, in another run."""
    before = client.get("/api/services/web").json()["service"]["instances"][0]["run"]
    found = command(client, "/api/services/web/restart?wait=20")
    assert found["outcome"] == {"settled": True, "state": "running", "health": "healthy", "why": ""}
    assert client.get("/api/services/web").json()["service"]["instances"][0]["run"] > max(before, found["seq"])


def test_a_stop_and_a_start_are_waited_for(client: httpx.Client) -> None:
    """Stopping the database stops who needs it; a start brings only what was asked for and what that needs."""
    assert command(client, "/api/services/worker/stop?wait=20")["outcome"]["state"] == "stopped"
    assert command(client, "/api/services/worker/start?wait=20")["outcome"]["state"] == "running"


def test_a_service_that_can_not_run_is_an_outcome(client: httpx.Client) -> None:
    """The wait ends when it is given up, and says why."""
    found = command(client, "/api/services/doomed/start?wait=20")["outcome"]
    assert (found["settled"], found["state"]) == (True, "failed")
    assert "exited with code 1" in found["why"]
    assert client.get("/api/alerts").json()["alerts"]


def test_without_wait_the_answer_is_the_position(client: httpx.Client) -> None:
    """The command is durable, what comes of it is in the history."""
    found = command(client, "/api/services/worker/restart")
    assert found["outcome"] is None
    event = client.get(f"/api/events/{found['seq']}").json()
    assert (event["kind"], event["data"]["verb"], event["data"]["services"]) == (
        "command.received",
        "restart",
        ["worker"],
    )


def test_asking_twice_is_asking_once(client: httpx.Client) -> None:
    """The same key gives the same position, however often and by whichever connection."""
    first = command(client, "/api/services/worker/restart?wait=20", key="deploy-7")["seq"]
    again = [command(client, "/api/services/worker/restart?wait=20", key="deploy-7")["seq"] for _ in range(3)]
    assert again == [first] * 3
    events = client.get("/api/events", params={"kind": "command", "search": "deploy-7"}).json()["events"]
    assert [it["seq"] for it in events] == [first]


@pytest.mark.parametrize("key", ["", "a b", "x" * 101, "ключ"])
def test_a_key_that_is_none_is_refused(client: httpx.Client, key: str) -> None:
    """An empty, odd or endless one."""
    answer = client.post("/api/services/worker/start", headers=[(b"Idempotency-Key", key.encode())])
    assert answer.status_code == 400


def test_each_command_names_who_asked(system: System) -> None:
    """By the token over the network, by the user over the unix socket."""
    secret = Tokens(system.home).issue("deploy", "operate").secret
    with httpx.Client(base_url=system.url, headers={"Authorization": f"Bearer {secret}"}, trust_env=False) as deployer:
        by_token = command(deployer, "/api/services/worker/start")["seq"]
    with system.over_unix() as local:
        by_user = command(local, "/api/services/worker/start")["seq"]
        me = local.get("/api/session").json()["name"]
        actors = [local.get(f"/api/events/{seq}").json()["actor"] for seq in (by_token, by_user)]
    assert actors == ["token deploy", me]


def test_what_is_not_declared_can_not_be_commanded(client: httpx.Client) -> None:
    """Nor can what is part of Nexus itself."""
    for name in ("nobody", "nexus-api"):
        answer = client.post(f"/api/services/{name}/stop")
        assert answer.status_code == 404
        assert "web" in answer.json()["expected"]


def test_a_lease_is_held_and_given_back(client: httpx.Client) -> None:
    """A port by name; released, it is somebody else's to have."""
    given = client.post("/api/leases", json={"name": "preview", "first": 31000, "last": 31100})
    assert given.status_code == 201
    port = given.json()["lease"]["port"]
    assert 31000 <= port <= 31100
    assert "preview" in [it["name"] for it in client.get("/api/leases").json()["leases"]]
    assert client.delete("/api/leases/preview").json()["port"] == port
    assert client.delete("/api/leases/preview").status_code == 404


def test_a_killed_api_comes_back_where_it_was(system: System, client: httpx.Client) -> None:
    """At the same address and with the same tokens, while the services go on."""
    before = system.status
    pid = next(it["data"]["pid"] for it in _starts(client))
    os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return client.get("/api/status").status_code == 200
        return False

    until(back, 20, "the web API")
    until(lambda: system.status["url"], 20, "the supervisor to find it well")
    after = system.status
    assert after["url"] == before["url"]
    assert after["services"]["web"]["instances"][0]["pid"] == before["services"]["web"]["instances"][0]["pid"]


def _starts(client: httpx.Client) -> list[dict[str, Any]]:
    found = client.get("/api/events", params={"kind": "run.started", "service": "nexus-api", "newest_first": True})
    events: list[dict[str, Any]] = found.json()["events"]
    return events


def test_the_api_outlives_the_supervisor(tmp_path: Path) -> None:
    """Killed, it is reported as gone to all who ask and listen; commands are refused; then it takes over again."""
    with supervised(tmp_path, CONFIGURATION) as system, system.client() as client:
        stream, heard = Stream.of(system.url, system.token, "/events"), list[dict[str, Any]]()
        listener = threading.Thread(target=lambda: heard.extend(stream.controls()))
        listener.start()
        try:
            system.supervisor().kill()
            until(lambda: client.get("/api/status").json()["supervisor"]["alive"] is False, 10, "the news")
            refused = client.post("/api/services/web/restart")
            assert refused.status_code == 503
            assert "nexus up" in refused.json()["next_step"]
            assert client.get("/api/services/web").json()["service"]["health"] == "stale"
            assert system.nexus("up", "-d").returncode == 0
            until(lambda: client.get("/api/status").json()["supervisor"]["alive"], 10, "the next supervisor")
            assert command(client, "/api/services/web/restart?wait=20")["outcome"]["settled"]
            until(
                lambda: len([it for it in heard if it["control"] == "supervisor"]) >= 2, 10, "both changes in the feed"
            )
        finally:
            system.nexus("down")
            listener.join(20)
            stream.kill()
    assert [it["alive"] for it in heard if it["control"] == "supervisor"][:2] == [False, True]
    assert heard[-1]["control"] == "bye"


def test_an_incident_is_marked_found_and_unmarked(system: System, client: httpx.Client) -> None:
    """Over the web and by command alike; a stretch that has not happened can't be marked."""
    head = client.get("/api/status").json()["seq"]
    marked = client.post("/api/incidents", json={"name": "outage", "first": 2, "last": head})
    assert marked.status_code == 201, marked.text
    until(lambda: client.get("/api/incidents").json()["incidents"], 10, "the mark")
    (found,) = client.get("/api/incidents").json()["incidents"]
    assert (found["name"], found["first"], found["last"], found["marked_by"]) == ("outage", 2, head, "token default")
    assert found["began_at"] < found["ended_at"] <= found["marked_at"]
    assert client.get(f"/api/incidents?at={head}").json()["incidents"] == []
    listed = json.loads(system.nexus("incidents", "--json").stdout)["incidents"]
    assert [it["name"] for it in listed] == ["outage"]
    assert "outage" in system.nexus("incidents").stdout
    for first, last in ((3, 2), (2, 10**9)):
        refused = client.post("/api/incidents", json={"name": "no", "first": first, "last": last})
        assert refused.status_code == 409
    assert client.delete("/api/incidents/outage").status_code == 200
    until(lambda: not client.get("/api/incidents").json()["incidents"], 10, "the mark to go")
    assert client.delete("/api/incidents/outage").status_code == 404


def test_an_incident_is_marked_by_command(system: System) -> None:
    """From a moment to now; what can't be done is told."""
    done = system.nexus("mark", "slow", "--from", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["first"] == 2
    for words, told in (
        (("mark", "a b", "--from", "2"), "can't name an incident"),
        (("unmark", "other"), "there is no incident 'other'"),
        (("mark", "x", "--from", "3", "--to", "2"), "nothing lies between"),
    ):  # fmt: skip
        refused = system.nexus(*words)
        assert refused.returncode == 1
        assert told in refused.stderr
    assert "unmarked" in system.nexus("unmark", "slow").stdout
    assert "no incident is marked" in system.nexus("incidents").stdout

"""Secrets planted wherever a service has them are nowhere in what Nexus keeps or answers."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.http.operations import OPERATIONS
from tests.cli.homes import nexus
from tests.http.streams import Stream
from tests.http.supervised import System
from tests.waiting import until

SERVICE = """
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path.startswith("/health?api_key=") else 500, "canary-answer-reason-0c55")
        self.send_header("X-Detail", "canary-header-61c2")
        self.end_headers()
        self.wfile.write(b"password=canary-answer-7d31 and canary-answer-bare-90aa")
    def log_message(self, *_):
        pass

for name in sorted(os.environ):
    if "canary" in os.environ[name]:
        print("the value is", os.environ[name], flush=True)
print("started with", sys.argv, flush=True)
print("password=canary-log-password-5511", flush=True)
print('{"api_key": "canary-log-json-4c19"}', flush=True)
print("Authorization: Bearer canary-log-bearer-0b7e", flush=True)
print("postgres://me:canary-log-url-93dd@db/app", flush=True)
print("-----BEGIN RSA PRIVATE KEY-----", flush=True)
print("canary-log-key-line-1-aa01", flush=True)
print("-----END RSA PRIVATE KEY-----", flush=True)
print("the end of the secrets", flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

CONFIGURATION = """
[nexus]
project = "leaky"
[services.leaky]
command = ["{python}", "leaky.py", "--password=canary-arg-equals-1f02", "--token", "canary-arg-next-2e13",
  "-u", "me:canary-arg-login-3d24", "https://me:canary-arg-url-4c35@example.org/",
  "Authorization: Bearer canary-arg-header-5b46", "--dsn=${VAULT_SECRET}"]
port = "auto"
env_file = "leaky.env"
health = { http = "/health?api_key=canary-probe-path-6a57", interval = "100ms" }
restart = { delays = ["100ms"] }
[services.leaky.environment]
API_KEY = "canary-env-key-7968"
DB_PASSWORD = "canary-env-password-8879"
DATABASE_URL = "postgres://me:canary-env-url-978a@db/app"
COPY = "{port}-${VAULT_SECRET}"
[services.asked]
start_timeout = "500ms"
command = "sleep 600"
health = { exec = "sh check.sh --secret=canary-exec-arg-b5ac", interval = "100ms" }
restart = { delays = ["100ms"] }
"""
ENV_FILE = "STRIPE_SECRET_KEY=canary-file-stripe-c4bd\nJWT_SECRET='canary-file-jwt-d3ce'\n"
CHECK = "echo canary-exec-output-a69b; echo canary-exec-error-b7ad >&2; exit 1"
OWN = {"VAULT_SECRET": "canary-own-vault-e2df", "GITHUB_TOKEN": "canary-own-github-f1e0"}

CANARIES = sorted(set(re.findall(r"canary-[\w-]+", SERVICE + CONFIGURATION + ENV_FILE + CHECK + str(OWN))))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with a leaky service that has said everything, has crashed, and whose checks have failed."""
    folder = tmp_path_factory.mktemp("leaky")
    (folder / "leaky.py").write_text(SERVICE)
    (folder / "leaky.env").write_text(ENV_FILE)
    (folder / "check.sh").write_text(CHECK)
    ready = System(folder, CONFIGURATION, OWN)
    try:
        ready.nexus("up", "-d")
        log = ready.home / "logs" / "leaky.1.log"
        until(lambda: log.is_file() and "the end of the secrets" in log.read_text(), 20, "the service's output")
        with ready.client() as client:
            until(lambda: len(client.get("/api/events?kind=probe.failed").json()["events"]) > 1, 20, "failed checks")
            client.post("/api/services/leaky/restart?wait=10")
        yield ready
    finally:
        ready.nexus("down")


def canaries_in(content: bytes) -> list[str]:
    """Those that are there."""
    return [it for it in CANARIES if it.encode() in content]


def test_twenty_are_planted_and_really_there(system: System) -> None:
    """The service has them: it wrote nearly all of them into its own log."""
    assert len(CANARIES) >= 20
    assert len(canaries_in((system.home / "logs" / "leaky.1.log").read_bytes())) >= 15


def test_nothing_that_nexus_keeps_has_one(system: System) -> None:
    """Log, write-ahead log, head, snapshots, tokens, its own output: every file but what the services wrote."""
    own = [
        path for path in system.home.rglob("*") if path.is_file() and path.name not in ("leaky.1.log", "asked.1.log")
    ]
    assert {"events-000001.db", "events-000001.db-wal", "supervisor.log", "nexus-api.1.log"} <= {it.name for it in own}
    assert {path.name: canaries_in(path.read_bytes()) for path in own if canaries_in(path.read_bytes())} == {}


def test_no_answer_has_one(system: System) -> None:
    """Every question, with every service and event named, now and in the past."""
    with system.client() as client:
        head = client.get("/api/status").json()["seq"]
        places: list[dict[str, Any]] = [{"service": "leaky", "id": seq, "port": 1} for seq in range(1, head + 1)]
        paths = {
            re.sub(r"\{(\w+)\}", lambda match: str(place[match[1]]), it.path)  # noqa: B023
            for it in OPERATIONS
            if it.method == "GET" and it.sort in ("state", "log")
            for place in (places if "{id}" in it.path else places[:1])
        }
        answers = {path: client.get(path, params={"limit": 1000} if path == "/api/events" else {}) for path in paths}
    assert any("the end of the secrets" in it.text for it in answers.values())
    assert {path: canaries_in(it.content) for path, it in answers.items() if canaries_in(it.content)} == {}
    assert {it.status_code for it in answers.values()} <= {200, 404}


def test_the_live_feed_has_none(system: System) -> None:
    """The whole history, as a stream."""
    with system.client() as client:
        head = client.get("/api/status").json()["seq"]
    stream = Stream.of(system.url, system.token, "/events?after=0")
    seen = []
    for event in stream.events():
        seen.append(event)
        if event["seq"] >= head:
            break
    stream.kill()
    assert len(seen) == head
    assert canaries_in(json.dumps(seen).encode()) == []


def test_a_bundle_has_none(system: System, tmp_path: Path) -> None:
    """Made over the web, and by somebody whose shell does not have the supervisor's environment; with logs."""
    with system.client() as client:
        answer = client.get("/api/bundle")
    assert answer.status_code == 200, answer.text
    (tmp_path / "web.zip").write_bytes(answer.content)
    done = nexus("bundle", str(tmp_path / "shell.zip"), cwd=system.folder)
    assert done.returncode == 0, done.stderr
    for name in ("web.zip", "shell.zip"):
        with zipfile.ZipFile(tmp_path / name) as bundle:
            files = {it: bundle.read(it) for it in bundle.namelist()}
        assert b"the end of the secrets" in files["logs/leaky.1.log"]
        assert {name: canaries_in(it) for name, it in files.items() if canaries_in(it)} == {}


def test_tables_and_exports_have_none(system: System) -> None:
    """They are derived from the log alone."""
    assert system.nexus("query", "SELECT 1").returncode == 0
    assert canaries_in((system.home / "tables.db").read_bytes()) == []
    with system.client() as client:
        for form in ("ndjson", "csv", "cloudevents"):
            exported = client.get("/api/export", params={"format": form}).content
            assert b"leaky" in exported
            assert canaries_in(exported) == []


def test_what_the_command_line_says_of_the_history_has_none(system: System) -> None:
    """Status, events, decisions and explanations."""
    commands = (["status"], ["events"], ["decisions"], ["alerts"], ["explain", "2"])
    said = "".join(system.nexus(*command, "--json").stdout for command in commands)
    assert "leaky" in said
    assert canaries_in(said.encode()) == []

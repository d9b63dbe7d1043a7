"""Commands about a Nexus on another machine: the same words, over the web API."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nexus.cli.app import make_app
from nexus.client.sync import Client
from tests.cli.homes import ENVIRONMENT, no_supervisor, quickly
from tests.http.supervised import System, supervised


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A supervisor with two services."""
    with supervised(tmp_path_factory.mktemp("shop")) as found:
        yield found


@pytest.fixture(scope="module")
def key(system: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the other machine was given."""
    path = tmp_path_factory.mktemp("laptop") / "shop.json"
    done = near(system, "token", "add", "laptop", "--role", "operate", "--file", str(path))
    assert done.exit_code == 0, done.stderr
    assert "nxs_" not in done.stdout
    return path


def near(system: System, *arguments: str) -> Result:
    """What a command says on the machine itself."""
    return quickly(system.home, *arguments)


def far(key: Path, *arguments: str) -> Result:
    """What it says where nothing but the key is known."""
    return CliRunner().invoke(make_app(no_supervisor), ["--remote", str(key), *arguments], env=ENVIRONMENT)


def test_the_key_is_for_its_owner_only(key: Path) -> None:
    """It holds a token: 0600, and a client reads it."""
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with Client.from_file(key) as client:
        assert client.who().name == "token laptop"


READING = (["status"], ["alerts"], ["graph"], ["ports"], ["lease"], ["events"], ["decisions"], ["explain", "9"])


@pytest.mark.parametrize("at", ["9", "12", "16", ""])
@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_says_the_same_as_on_the_machine_itself(system: System, key: Path, command: list[str], at: str) -> None:
    """In words and as JSON, for each moment: what any GET answers is what the command line says."""
    moment = ["--at", at] if at else ["--at", str(json.loads(near(system, "status", "--json").stdout)["seq"])]
    here, there = near(system, *command, *moment), far(key, *command, *moment)
    assert (there.stdout, there.exit_code) == (here.stdout, 0), there.output
    if command != ["events"]:
        found = [json.loads(it.stdout) for it in (near(system, *command, *moment, "--json"),
                                                  far(key, *command, *moment, "--json"))]  # fmt: skip
        assert found[0] == found[1]


EVENTS = (["--kind", "run", "--service", "web"], ["--search", "HTTP"], ["-n", "3"], ["--since", "12"])


@pytest.mark.parametrize("words", EVENTS, ids=" ".join)
def test_events_are_chosen_on_the_other_machine(key: Path, system: System, words: list[str]) -> None:
    """By kind, service, text, time and number."""
    assert far(key, "events", *words, "--at", "16").stdout == near(system, "events", *words, "--at", "16").stdout
    assert far(key, "decisions", "--since", "12", "-n", "2").stdout


def test_a_restart_is_waited_for_and_names_its_token(system: System, key: Path) -> None:
    """Commands carry the name of the token into the history; a wrong name is refused as usual."""
    done = far(key, "restart", "worker", "--json")
    assert json.loads(done.stdout)["done"] is True, done.stderr
    commands = [json.loads(line) for line in near(system, "events", "--kind", "command", "--json").stdout.splitlines()]
    assert commands[-1]["actor"] == "token laptop"
    refused = far(key, "restart", "nobody")
    assert refused.exit_code == 1
    assert "web" in refused.stderr


def test_a_lease_and_logs_from_elsewhere(key: Path) -> None:
    """A port by name, given back; what a service wrote."""
    port = far(key, "lease", "away", "--prefer", "31400-31500").stdout.strip()
    assert 31_400 <= int(port) <= 31_500
    assert port in far(key, "release", "away").stdout
    assert "GET / HTTP/1.1" in far(key, "logs", "web").output
    assert "no service 'nobody'" in far(key, "logs", "nobody").stderr


@pytest.mark.parametrize("command", [["down"], ["up", "-d"], ["verify"], ["token", "list"], ["ports", "--free", "1"]])
def test_what_works_only_on_the_machine_says_so(key: Path, command: list[str]) -> None:
    """And changes nothing here or there."""
    done = far(key, *command)
    assert done.exit_code == 1
    assert "only on the machine itself" in done.stderr


def test_a_machine_that_does_not_answer_is_said(tmp_path: Path) -> None:
    """One clear error, exit code 1."""
    key = tmp_path / "gone.json"
    key.write_text('{"url": "http://127.0.0.1:9", "token": "t"}')
    done = far(key, "status")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr

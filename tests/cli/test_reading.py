"""Reading commands, on the recorded incident and without a supervisor."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from events.catalog import CommandReceived
from events.envelope import Recorded
from events.sample_files import UNKNOWN
from events.samples import Samples
from tests.cli.homes import BEGAN, FIRST_TRY, GIVEN_UP, KILLED, LAST, nexus, quickly, record
from tests.cli.transcript import COMMANDS, cases, run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the incident."""
    return record(tmp_path_factory.mktemp("home"))


def read(home: Path, command: str) -> Any:
    """The JSON that a command prints."""
    result = quickly(home, *shlex.split(command), "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def lines(home: Path, command: str) -> list[Any]:
    """The JSON objects that a command prints, one a line."""
    result = quickly(home, *shlex.split(command), "--json")
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(("command", "printed"), list(cases()))
def test_transcript(home: Path, command: str, printed: str) -> None:
    """Every command of the transcript prints what it shows; tests.cli.transcript writes it anew."""
    assert run(home, command) == printed


def test_the_transcript_is_whole() -> None:
    """It shows every command that it is made of."""
    assert [command for command, _ in cases()] == list(COMMANDS)


def test_a_pipe_breaks_no_lines_and_has_no_colours(home: Path) -> None:
    """What goes to a file or another program has whole lines, however long, and no escape codes."""
    printed = nexus("--home", str(home), "replay", COLUMNS="40", NO_COLOR="").stdout
    assert "\033" not in printed
    assert max(map(len, printed.splitlines())) > 100


def on_a_terminal(home: Path, *arguments: str, **environment: str) -> str:
    """What a command prints on a terminal of 60 columns."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "60", **environment}
    command = [sys.executable, "-m", "nexus.main", "--home", str(home), *arguments]
    with subprocess.Popen(command, stdout=theirs, env=settings) as process:
        os.close(theirs)
        printed = b""
        with suppress(OSError):  # Linux says so where the other end is closed
            while part := os.read(ours, 65_536):
                printed += part
        assert process.wait(30) == 0
    os.close(ours)
    return printed.decode()


def test_a_terminal_has_colours_and_lines_that_fit(home: Path) -> None:
    """Lines are broken between words at the terminal's width; colours can be switched off."""
    for arguments in (["replay", "--from", "16", "--to", "23"], ["explain", "34"], ["status", "--at", "38"]):
        printed = on_a_terminal(home, *arguments, NO_COLOR="")
        assert "\033[" in printed
        plain = re.sub("\033\\[[0-9;]*m", "", printed).splitlines()
        assert max(map(len, plain)) <= 60 or arguments[0] == "status"
        assert "\033" not in on_a_terminal(home, *arguments, NO_COLOR="1")


def test_a_reader_that_goes_away(home: Path) -> None:
    """`nexus replay | head -1` ends without a word of complaint."""
    command = [sys.executable, "-m", "nexus.main", "--home", str(home), "replay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_status_of_any_moment(home: Path) -> None:
    """A position and a time that mean the same moment give the same status."""
    by_position = read(home, f"status --at {KILLED + 1}")
    assert by_position == read(home, "status --at 2026-03-01T14:12:12.5Z")
    assert by_position["services"]["database"]["state"] == "waiting"


def test_the_present_without_a_supervisor(home: Path) -> None:
    """The recorded supervisor is gone: what ran may still run, and its health is stale."""
    shown = read(home, "status")
    assert shown["supervisor"]["alive"] is False
    assert [it["health"] for it in shown["services"].values()] == ["stale", "stale"]
    assert "is gone; `nexus up -d` takes over again" in quickly(home, "status").stdout


def test_events_have_the_documented_form(home: Path) -> None:
    """One object a line, with the names of the reference."""
    found = lines(home, "events")
    assert [it["seq"] for it in found] == list(range(1, LAST + 1))
    assert list(found[0]) == ["seq", "id", "at", "kind", "stream", "cause", "correlation", "actor", "data"]
    assert found[KILLED]["data"]["values"]["problem"] == "was ended by signal KILL"
    assert found[KILLED]["correlation"] == KILLED


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("--kind run.exited", [16, 22, 27, 32, 37]),
        ("--kind run.exited -n 2", [32, 37]),
        ("--kind service", [33]),
        ("--service router --kind run", [14, 37, 46]),
        ("--since 45", [45, 46, 47]),
        ("--since 2026-03-01T14:14:20.2", [47]),
        ("--search 'signal KILL'", [17, 20]),
        ("--since 30 --at 32", [30, 31, 32]),
    ],
)
def test_events_can_be_filtered(home: Path, filters: str, expected: list[int]) -> None:
    """By kind, service, time, text and number, also all at once."""
    assert [it["seq"] for it in lines(home, f"events {filters}")] == expected


def test_decisions_know_their_outcome(home: Path) -> None:
    """The first observation that each caused, up to the moment asked about."""
    found = read(home, "decisions --service database")["decisions"]
    by_id = {it["id"]: it for it in found}
    assert (by_id[FIRST_TRY]["rule"], by_id[FIRST_TRY]["outcome"]) == ("restart.ladder", 21)
    assert by_id[GIVEN_UP]["outcome"] is None
    (early,) = [it for it in read(home, f"decisions --at {FIRST_TRY}")["decisions"] if it["id"] == FIRST_TRY]
    assert early["outcome"] is None


def test_explain_has_the_documented_form(home: Path) -> None:
    """Trees of causes and outcomes, the rule, its values and what was rejected."""
    found = read(home, f"explain {FIRST_TRY}")
    assert {"id", "summary", "rule", "values", "rejected", "causes", "outcome"} <= set(found)
    assert found["causes"][0]["children"][0]["children"][0]["id"] == KILLED
    assert [it["id"] for it in found["outcome"]] == [21, 22]
    assert [it["id"] for it in read(home, f"explain {FIRST_TRY} --at 21")["outcome"]] == [21]


def test_replay_in_turns(home: Path) -> None:
    """An interval that begins within a turn has the whole turn."""
    (turn,) = lines(home, "replay --from 17 --to 17")
    assert (turn["first"], turn["last"]) == (16, 17)
    assert turn["changes"] == ["database.1: running → waiting; it was ended by signal KILL"]
    (decided,) = turn["decisions"]
    assert (decided["rule"], decided["cause"]) == ("restart.ladder", KILLED)
    assert [it["last"] for it in lines(home, "replay")][-1] == LAST


def test_replay_in_its_rhythm(home: Path) -> None:
    """The pauses are those of the incident, so many times shorter."""
    assert len(lines(home, "replay --from 16 --to 23 --speed 100")) == 5


def test_replay_at_is_the_status(home: Path) -> None:
    """Both words for time travel give the same answer."""
    assert read(home, "replay --at 33") == read(home, "status --at 33")


def test_replay_check_asks_todays_policies(home: Path) -> None:
    """Other settings would have been answered otherwise, and it is said where."""
    result = quickly(home, "replay", "--check", "--set", "database.restart.attempts_max=1", "--json")
    differences = json.loads(result.stdout)["differences"]
    assert result.exit_code == 1
    first = differences[0]
    assert (first["seq"], first["recorded"]["kind"]) == (17, "restart.scheduled")
    assert (first["recorded"]["values"]["tries"], first["now"]["values"]["tries"]) == (3, 1)
    assert any(it["now"] and it["now"]["kind"] == "service.given_up" for it in differences)
    told = quickly(home, "replay", "--check", "--set", "database.restart.attempts_max=1")
    assert "give database.1 up after 2 failures" in told.stdout
    assert "would differ" in told.stdout


def test_replay_check_of_an_interval(home: Path) -> None:
    """It begins with the state before the interval."""
    result = quickly(home, "replay", "--check", "--from", "16", "--to", "23", "--json")
    assert json.loads(result.stdout)["checked"] == 3


@pytest.mark.parametrize(
    ("command", "key"),
    [("ports --at 15", "ports"), ("lease --at 15", "leases"), ("alerts --at 38", "alerts"), ("graph --at 38", "nodes")],
)
def test_state_commands_have_json(home: Path, command: str, key: str) -> None:
    """Each says which moment it tells of."""
    found = read(home, command)
    assert found["seq"] == int(command.split()[-1])
    assert len(found[key]) == 2


def test_one_port_and_one_lease(home: Path) -> None:
    """A port or a lease can be asked for alone."""
    assert [it["port"] for it in read(home, "ports --who 21436")["ports"]] == [21436]
    assert read(home, "lease database.1/main --at 47")["port"] == 21436
    assert "not known to Nexus" in quickly(home, "ports", "--who", "9").stdout
    assert len(read(home, "ports --free 3")["free"]) == 3
    assert len(quickly(home, "ports", "--free", "2").stdout.splitlines()) == 2


def test_verify_a_whole_history(home: Path) -> None:
    """How many events, in which files, with which head."""
    found = read(home, "verify")
    assert (found["ok"], found["events"], found["head"]["seq"], found["problems"]) == (True, LAST, LAST, [])
    assert "the history is whole: 47 events in 1 file" in quickly(home, "verify").stdout


def test_verify_a_changed_history(tmp_path: Path) -> None:
    """A change is found, named, and the exit code says so."""
    import sqlite3

    path = record(tmp_path) / "events-000001.db"
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER IF EXISTS events_no_update")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE events SET data = replace(data, 'KILL', 'TERM') WHERE seq = 16")
    connection.close()
    result = quickly(tmp_path, "verify")
    assert result.exit_code == 1
    assert "the history is not whole" in result.stdout
    assert "16" in result.stdout


def test_doctor_finds_the_supervisor_gone(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check says ok, warn or fail; a warning is no failure."""
    monkeypatch.chdir(tmp_path)
    found = read(home, "doctor")
    results = {it["name"]: it["result"] for it in found["checks"]}
    assert found["ok"] is True
    assert (results["sqlite"], results["file system"], results["log"]) == ("ok", "ok", "ok")
    assert (results["supervisor"], results["configuration"]) == ("warn", "warn")
    assert "`nexus up -d` takes over again" in quickly(home, "doctor").stdout


def test_doctor_finds_a_bad_configuration(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't be used is a failure, with file and line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nexus.toml").write_text("[services.web]\ncomand = 'x'\n")
    result = quickly(home, "doctor")
    assert result.exit_code == 1
    assert "nexus.toml:2" in result.stdout


def test_version() -> None:
    """What runs here, for a report of a problem."""
    found = json.loads(nexus("version", "--json").stdout)
    assert set(found) == {"version", "python", "sqlite", "platform"}


REFUSED = [
    ("status --at 99", "there is no event 99", "events 1 to 47, from 2026-03-01 14:02:11+00:00 on"),
    ("status --at soon", "'soon' is no moment", "a position (412)"),
    ("status --at 2020-01-01", "nothing had happened yet at '2020-01-01'", "events 1 to 47"),
    ("explain 0", "there is no event 0", "a position from 1 to 47"),
    ("events --kind exited", "there is no kind of event 'exited'", "a kind such as run.exited"),
    ("events --service databse", "there is no service 'databse'", "Did you mean database?"),
    ("logs web", "there is no service 'web'", "database, router"),
    ("stop web", "there is no service 'web'", "database, router"),
    ("lease web --at 47", "there is no lease 'web'", "database.1/main, router.1/main"),
    ("ports --free 20000", "the pool has only", "widen `pool`"),
    ("replay --from 30 --to 20", "nothing happened in that interval", "--from before --to"),
    ("replay --check --set restart", "a setting has no value", "KEY=VALUE"),
    ("replay --check --set restart.magic=1", "restart.magic: there is no such setting", "restart.attempts_max"),
]


@pytest.mark.parametrize(("command", "problem", "help_given"), REFUSED)
def test_what_is_asked_wrongly(home: Path, command: str, problem: str, help_given: str) -> None:
    """One clear text that names the thing, what was expected and what to do; the same as JSON; never a traceback."""
    result = quickly(home, *shlex.split(command))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"nexus: {problem}")
    assert help_given in result.stderr
    document = json.loads(quickly(home, *shlex.split(command), "--json").stderr)
    assert document["title"].startswith(problem)
    assert document["type"].startswith("urn:nexus:")


@pytest.mark.parametrize("command", ["explain abc", "ports --who 70000", "start", "bogus", "status --bogus", "explain"])
def test_what_is_not_understood(home: Path, command: str) -> None:
    """A usage error has the exit code 2 and names the command's help."""
    result = quickly(home, *shlex.split(command))
    assert result.exit_code == 2
    assert "-h' for help" in result.stderr


def test_nothing_was_recorded_yet(tmp_path: Path) -> None:
    """A new home says how to begin."""
    result = quickly(tmp_path, "status")
    assert result.exit_code == 1
    assert "nothing has been recorded" in result.stderr
    assert "nexus up -d" in result.stderr


def test_there_is_no_project(tmp_path: Path) -> None:
    """Away from any project it is said where one was looked for, and -C goes to one."""
    result = nexus("status", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "nexus.toml" in result.stderr
    project = tmp_path / "project"
    record(project / ".nexus")
    (project / "sub").mkdir()
    assert nexus("-C", str(project / "sub"), "status", "--at", "15", cwd=tmp_path).returncode == 0
    assert nexus("status", "--at", "15", cwd=tmp_path, NEXUS_HOME=str(project / ".nexus")).returncode == 0
    assert "can't work in" in nexus("-C", str(tmp_path / "none"), "status").stderr


def test_a_locked_away_history(home: Path, tmp_path: Path) -> None:
    """A file that is no log is told as such."""
    (tmp_path / "events-000001.db").write_text("not a database, and long enough to be taken for one" * 100)
    result = quickly(tmp_path, "status")
    assert result.exit_code == 1
    assert "events-000001.db" in result.stderr
    assert quickly(tmp_path, "verify").exit_code == 1


def test_more_events_than_a_page(tmp_path: Path) -> None:
    """Long histories come whole and in order."""
    command = CommandReceived(verb="up")
    record(tmp_path, [Recorded(seq, BEGAN + seq, command) for seq in range(2, 5002)])
    printed = quickly(tmp_path, "events").stdout.splitlines()
    assert len(printed) == 5001
    assert printed[-1].split()[0] == "5001"


def test_import_makes_a_file_that_can_be_used(tmp_path: Path) -> None:
    """A Procfile is found, shown, and made into a nexus.toml, once."""
    (tmp_path / "Procfile").write_text("web: python -m http.server $PORT\nworker: python worker.py\n")
    refused = nexus("up", cwd=tmp_path)
    assert (refused.returncode, "`nexus import Procfile`" in refused.stderr) == (1, True)
    found = json.loads(nexus("discover", "--json", cwd=tmp_path).stdout)["found"]
    assert [(it["kind"], it["services"]) for it in found] == [("Procfile", ["web", "worker"])]
    assert "Procfile (Procfile): web, worker" in nexus("discover", cwd=tmp_path).stdout
    assert "[services.web]" in nexus("import", "Procfile", "--print", cwd=tmp_path).stdout
    assert not (tmp_path / "nexus.toml").exists()
    assert "with web, worker" in nexus("import", "Procfile", cwd=tmp_path).stdout
    assert "[services.worker]" in (tmp_path / "nexus.toml").read_text()
    assert "already there" in nexus("import", "Procfile", cwd=tmp_path).stderr
    assert "nothing in" in nexus("discover", str(tmp_path.parent), cwd=tmp_path).stdout


def test_init_writes_a_file_once(tmp_path: Path) -> None:
    """The first file can be used as it is; a second one is refused."""
    assert nexus("init", cwd=tmp_path).returncode == 0
    assert (tmp_path / "nexus.toml").is_file()
    again = nexus("init", cwd=tmp_path)
    assert again.returncode == 1
    assert "already there" in again.stderr


def test_what_was_used_is_shown(tmp_path: Path) -> None:
    """By the last second and over time; from samples that lie beside the log."""
    home = record(tmp_path / "used")
    assert "nothing has been measured yet" in quickly(home, "resources").stdout
    samples, now = Samples(home, 1 << 30, 86_400.0), time.time_ns() // 1_000
    for second in range(5):
        samples.add(now - second * 1_000_000, {"router.1": (50, 2048, 1, 2, 3, 512, UNKNOWN)})
    row = re.split(r"  +", quickly(home, "resources").stdout.splitlines()[1])
    assert row == ["router.1", "0.50", "–", "2.0 MiB", "–", "1", "2", "3", "512 KiB", "–"]
    assert re.search(r"router .*0\.50 +2\.0 MiB", quickly(home, "status", "--resources").stdout)
    lasting = quickly(home, "resources", "router", "--since", "1 min ago", "--points", "1").stdout.splitlines()
    assert lasting[0] == "router.1"
    assert re.split(r"  +", lasting[2])[1:] == ["0.50", "0.50", "2.0 MiB", "2.0 MiB"]
    assert read(home, "resources router --since 2 --at 9")["instances"] == {}
    assert "nothing is known of router" in quickly(home, "resources", "router", "--since", "2", "--at", "9").stdout
    assert read(home, "resources --at 9")["services"]["router"]["router.1"] == {"minute": None, "now": None}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("resources nobody", "there is no service 'nobody'"),
        ("resources --since 3", "--since is for one service"),
        ("resources router --since 30 --at 9", "that time is over before it begins"),
    ],
)
def test_what_was_asked_wrongly_of_resources_is_named(home: Path, command: str, told: str) -> None:
    """One clear error."""
    result = quickly(home, *command.split())
    assert result.exit_code == 1
    assert told in result.stderr

"""The commands that run something: real supervisors, real services, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from nexus.cli.channel import running_pid
from projections.history import History
from projections.state import State
from tests.cli.homes import ENVIRONMENT, nexus, quickly
from tests.waiting import until

SERVER = """
import http.server, os
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""

PROJECT = """
[services.web]
command = "{python} server.py"
port = "auto"
health = { http = "/", interval = "200ms" }
restart = { delays = ["50ms", "100ms"] }
[services.worker]
command = "{python} -c 'import time; print(1 + 1, flush=True); time.sleep(600)'"
depends_on = ["web"]
[services.later]
command = "{python} -c 'import time; time.sleep(600)'"
autostart = false
"""

BROKEN = """
[services.good]
command = "{python} -c 'import time; time.sleep(600)'"
[services.broken]
command = "{python} -c 'raise SystemExit(\\"no configuration\\")'"
port = "auto"
restart = { delays = ["20ms"] }
[services.needy]
command = "{python} -c 'import time; time.sleep(600)'"
depends_on = ["broken"]
"""

STUBBORN = """
[services.stubborn]
command = "{python} stubborn.py"
port = "auto"
stop_timeout = "2s"
"""

IGNORES = """
import os, signal, socket, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
time.sleep(600)
"""


class Project:
    """A folder with a nexus.toml, in which commands are run."""

    def __init__(self, folder: Path, configuration: str) -> None:
        self.folder, self.home = folder, folder / ".nexus"
        (folder / "nexus.toml").write_text(configuration)
        (folder / "server.py").write_text(SERVER)
        (folder / "stubborn.py").write_text(IGNORES)

    def nexus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command here."""
        return nexus(*arguments, cwd=self.folder)

    def read(self, *arguments: str) -> str:
        """What a reading command prints, run in this process."""
        result = quickly(self.home, *arguments)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """What a reading command tells programs."""
        return json.loads(self.read(*arguments, "--json"))

    def state(self) -> State:
        """What is known now."""
        return History(self.home).at()

    def pid(self, instance: str) -> int:
        """The process of an instance."""
        return self.state().services.instances[instance].pid

    def in_state(self, instance: str, state: str, after: int = 0) -> bool:
        """Whether an instance is in a state, with another process than `after`."""
        known = self.state().services.instances[instance]
        return known.state == state and known.pid != after

    def foreground(self, *arguments: str) -> subprocess.Popen[str]:
        """`nexus up` with its progress in a pipe."""
        return subprocess.Popen(
            [sys.executable, "-m", "nexus.main", "up", *arguments],
            cwd=self.folder, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def close(self) -> None:
        """Leave nothing behind: no supervisor, no service."""
        if not (self.home / "events-000001.db").exists():
            return
        supervisor = self.state().supervisor.pid
        if running_pid(self.home):
            os.kill(supervisor, signal.SIGKILL)
        for instance in self.state().services.instances.values():
            with suppress(ProcessLookupError):
                if instance.pid:
                    os.killpg(os.getpgid(instance.pid), signal.SIGKILL)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Project]:
    """Two services, one needs the other; a third is not started by itself."""
    project = Project(tmp_path, PROJECT)
    yield project
    project.close()


def test_up_status_logs_down(shop: Project) -> None:
    """The first five minutes: start in order with progress, look, read what it wrote, stop in order."""
    up = shop.nexus("up", "-d")
    assert up.returncode == 0, up.stderr
    told = [line.split(maxsplit=1) for line in up.stdout.splitlines() if "can't be had" not in line]
    port = shop.state().services.instances["web.1"].ports["main"]
    assert told[0] == ["web", f"starting on port {port}"]
    assert told[1][1].startswith("healthy after ")
    assert [line[0] for line in told[2:4]] == ["worker", "worker"]
    assert up.stdout.splitlines()[-1].startswith("2 of 2 running: ")
    assert "`nexus status`" in up.stdout.splitlines()[-1]

    services = shop.json("status")["services"]
    assert {name: it["state"] for name, it in services.items()} == {
        "web": "running", "worker": "running", "later": "declared",
    }  # fmt: skip
    assert services["web"]["health"] == "healthy"
    assert shop.read("logs", "worker") == "2\n"
    assert shop.json("logs", "worker.1", "-n", "1") == {"instance": "worker.1", "line": "2"}
    assert shop.nexus("up", "-d").stdout.startswith("2 of 2 running")

    down = shop.nexus("down")
    assert down.returncode == 0, down.stderr
    words = [line.split()[0] for line in down.stdout.splitlines()]
    assert words.index("worker") < words.index("web")
    assert down.stdout.splitlines()[-1] == "everything is stopped"
    assert shop.json("status")["supervisor"] is None
    assert "nothing to stop" in shop.nexus("down").stdout


def test_a_kill_is_explained(shop: Project) -> None:
    """kill -9: it comes back, and the explanation of its restart names the exit, the rule and the attempt."""
    assert shop.nexus("up", "-d").returncode == 0
    pid = shop.pid("web.1")
    os.kill(pid, signal.SIGKILL)
    until(lambda: shop.in_state("web.1", "running", after=pid))
    restarts = [it["id"] for it in shop.json("decisions", "--rule", "restart.ladder")["decisions"]]
    told = shop.read("explain", str(restarts[-1]))
    assert "web.1 was ended by signal KILL" in told
    assert "(restart.ladder)" in told
    assert "try 1 of 2" in told
    assert "web.1 started as pid" in told
    assert shop.read("replay", "--check")


def test_the_supervisor_is_killed(shop: Project) -> None:
    """kill -9 of Nexus: every reading command works at once, no service notices, and `up` takes over again."""
    assert shop.nexus("up", "-d").returncode == 0
    pids = shop.pid("web.1"), shop.pid("worker.1")
    supervisor = psutil.Process(shop.state().supervisor.pid)
    supervisor.kill()
    until(lambda: not supervisor.is_running() or supervisor.status() == psutil.STATUS_ZOMBIE)
    shown = shop.json("status")
    assert shown["supervisor"]["alive"] is False
    assert shown["services"]["web"]["health"] == "stale"
    for command in (
        "events",
        "decisions",
        "replay",
        "alerts",
        "graph",
        "ports",
        "lease",
        "verify",
        "logs",
        "explain 4",
    ):
        assert shop.read(*command.split())
    doctor = shop.json("doctor")
    assert {it["name"]: it["result"] for it in doctor["checks"]}["supervisor"] == "warn"
    again = shop.nexus("up", "-d")
    assert again.returncode == 0, again.stderr
    assert (shop.pid("web.1"), shop.pid("worker.1")) == pids
    assert shop.json("status")["services"]["web"]["health"] == "healthy"


def test_two_at_once(shop: Project) -> None:
    """Two people type `up` at the same moment: one supervisor runs, and both are told of the same services."""
    command = [sys.executable, "-m", "nexus.main", "up", "-d"]
    environment = {**os.environ, **ENVIRONMENT}
    with (
        subprocess.Popen(command, cwd=shop.folder, env=environment, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(command, cwd=shop.folder, env=environment, stdout=subprocess.PIPE, text=True) as other,
    ):
        told = [process.communicate(timeout=60)[0].splitlines()[-1] for process in (one, other)]
        assert [one.returncode, other.returncode] == [0, 0]
    assert [line.partition(":")[0] for line in told] == ["2 of 2 running"] * 2
    assert len(shop.json("status")["services"]["web"]["instances"]) == 1
    assert len(shop.read("events", "--kind", "start.decided", "--service", "web").splitlines()) == 1


def test_the_supervisor_is_killed_while_one_waits(tmp_path: Path) -> None:
    """Whoever waits for something is told that nobody works on it any more."""
    project = Project(tmp_path, STUBBORN)
    try:
        assert project.nexus("up", "-d").returncode == 0
        command = [sys.executable, "-m", "nexus.main", "down"]
        environment = {**os.environ, **ENVIRONMENT}
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as down:
            until(lambda: project.in_state("stubborn.1", "stopping"))
            os.kill(project.state().supervisor.pid, signal.SIGKILL)
            _, said = down.communicate(timeout=30)
        assert down.returncode == 1
        assert "the supervisor ended before it was done" in said
    finally:
        project.close()


def test_wishes(shop: Project) -> None:
    """start, stop and restart wait for what they were asked for and what it takes; --no-wait does not."""
    assert shop.nexus("up", "-d").returncode == 0
    assert shop.nexus("start", "later").stdout.splitlines()[-1] == "later: running"
    stopped = shop.nexus("stop", "web")
    assert stopped.stdout.splitlines()[-1] == "web: stopped"
    assert "worker  stopping: what it needs is lost" in stopped.stdout
    assert json.loads(shop.nexus("start", "web", "--json").stdout)["done"] is True
    assert shop.in_state("web.1", "running")
    pid = shop.pid("web.1")
    assert shop.nexus("restart", "web").returncode == 0
    assert shop.in_state("web.1", "running", after=pid)
    recorded = shop.nexus("restart", "web", "--no-wait").stdout
    assert recorded.startswith("recorded as event ")


def test_without_a_supervisor(shop: Project) -> None:
    """A wish is carried out by a supervisor for that one wish, which says that nobody watches afterwards."""
    assert shop.nexus("up", "-d", "--only", "web").stdout.splitlines()[-1].startswith("1 of 1 running")
    detached = shop.nexus("down", "--keep-running")
    assert detached.stdout.splitlines()[-1] == "the supervisor ended; 1 still running"
    pid = shop.pid("web.1")
    restarted = shop.nexus("restart", "web")
    assert restarted.returncode == 0, restarted.stderr
    assert "nobody watches the services; `nexus up -d` does" in restarted.stdout
    assert shop.in_state("web.1", "running", after=pid)
    assert psutil.pid_exists(shop.pid("web.1"))
    down = shop.nexus("down")
    assert down.stdout.splitlines()[-1] == "everything is stopped"
    assert shop.state().services.runs == {}


def test_what_does_not_start(tmp_path: Path) -> None:
    """`up` fails and says why for each service, with what it wrote last; what can run does."""
    project = Project(tmp_path, BROKEN)
    try:
        up = project.nexus("up", "-d")
        assert up.returncode == 1
        assert "broken did not start: it exited with code 1" in up.stderr
        assert "| no configuration" in up.stderr
        assert "`nexus logs broken`" in up.stderr
        assert "needy did not start: waits for broken, which was given up" in up.stderr
        assert up.stdout.splitlines()[-1].startswith("1 of 3 running")
        shown = project.json("alerts")["alerts"]
        assert [it["key"] for it in shown] == ["given_up:broken.1", "stopped:needy.1"] or len(shown) == 1
        started = project.nexus("start", "broken")
        assert started.returncode == 1
        assert "broken did not start" in started.stderr
    finally:
        project.close()


def test_whom_one_waits_for(tmp_path: Path) -> None:
    """After a second it is told who does not stop, and how long it still may."""
    project = Project(tmp_path, STUBBORN)
    try:
        assert project.nexus("up", "-d").returncode == 0
        pid = project.pid("stubborn.1")
        down = project.nexus("down").stdout
        assert f"waiting for stubborn (pid {pid}): 1 of 2 s" in down
        assert "did not stop in time: ended by force" in down
        assert not psutil.pid_exists(pid)
    finally:
        project.close()


def test_in_the_foreground(shop: Project) -> None:
    """It tells what happens until Ctrl-C, which stops everything."""
    with shop.foreground() as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        assert next(line for line in lines if line.startswith("2 of 2 running"))
        os.kill(shop.pid("worker.1"), signal.SIGKILL)
        assert next(line for line in lines if "was ended by signal KILL" in line).startswith("worker")
        assert next(line for line in lines if "running (pid" in line).startswith("worker")
        process.send_signal(signal.SIGINT)
        rest = list(lines)
        assert process.wait(30) == 0
    assert rest[-1] == "everything is stopped\n"
    assert shop.state().services.runs == {}


def test_in_the_foreground_with_nothing_to_do(tmp_path: Path) -> None:
    """Where nothing runs in the end, there is nothing to supervise."""
    project = Project(tmp_path, '[services.broken]\ncommand = "{python} -c 1/0"\nrestart = { delays = ["10ms"] }\n')
    try:
        up = project.nexus("up")
        assert up.returncode == 1
        assert "broken did not start" in up.stderr
        assert up.stdout.splitlines()[-1] == "everything is stopped"
    finally:
        project.close()


def test_a_configuration_that_cannot_be_used(tmp_path: Path) -> None:
    """One error with file, line and key; nothing is started, and nothing recorded."""
    project = Project(tmp_path, '[services.web]\ncommand = "x"\ndepends = ["y"]\n')
    for arguments in (["up"], ["up", "-d"], ["up", "-d", "nexus.toml"], ["up", "missing.toml"]):
        result = project.nexus(*arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("nexus: ")
        assert "Traceback" not in result.stderr
    assert "nexus.toml:3: services.web.depends" in project.nexus("up").stderr
    assert json.loads(project.nexus("up", "--json").stderr)["type"] == "urn:nexus:bad-configuration"
    assert not project.home.exists()


def test_another_configuration_than_the_running_one(shop: Project) -> None:
    """A home belongs to one configuration at a time; an unknown service is refused before anything starts."""
    refused = shop.nexus("up", "-d", "--only", "wbe")
    assert (refused.returncode, "there is no service 'wbe'" in refused.stderr) == (1, True)
    assert shop.nexus("up", "-d", "--only", "later").returncode == 0
    (shop.folder / "other.toml").write_text(PROJECT)
    other = shop.nexus("up", "-d", "other.toml")
    assert other.returncode == 1
    assert "runs here with another configuration" in other.stderr
    shop.folder.joinpath("nexus.toml").write_text("[services.web]\n")
    broken = shop.nexus("up", "-d")
    assert broken.returncode == 1
    assert "nexus.toml" in broken.stderr


def test_following_events_and_logs(shop: Project) -> None:
    """What happens next is printed as it happens."""
    assert shop.nexus("up", "-d").returncode == 0
    environment = {**os.environ, **ENVIRONMENT}
    for arguments, expected in (
        (["events", "-f", "--kind", "run.exited", "--service", "worker"], "worker.1 was ended by signal KILL"),
        (["logs", "-f", "-n", "1", "worker"], "2"),
    ):
        with subprocess.Popen(
            [sys.executable, "-m", "nexus.main", *arguments], cwd=shop.folder, env=environment,
            stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            if arguments[0] == "logs":
                assert process.stdout.readline() == "2\n"
            pid = shop.pid("worker.1")
            os.kill(pid, signal.SIGKILL)
            assert expected in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(10) in (0, 130)
            until(lambda before=pid: shop.in_state("worker.1", "running", after=before))  # type: ignore[misc]

"""Pausing, scaling, reloading: what people do with services that run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.test_running import Project
from tests.waiting import until

CONFIGURATION = """\
[services.web]
command = "{python} server.py"
port = "auto"

[services.job]
command = ["sh", "-c", "sleep 600 & wait"]

[services.told]
command = ["sh", "-c", "trap 'echo told' HUP; while :; do sleep 0.1; done"]
reload_signal = "HUP"
groups = ["some"]
autostart = false

[services.debug]
command = "sleep 600"
groups = ["some"]
profiles = ["dev"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Two services run: one with a port and a check, one with a child of its own."""
    project = Project(tmp_path, CONFIGURATION)
    assert project.nexus("up", "-d").returncode == 0
    yield project
    project.close()


def statuses(pid: int) -> set[str]:
    """What a process and everything below it does."""
    root = psutil.Process(pid)
    return {it.status() for it in (root, *root.children(recursive=True))}


def test_a_service_stands_still_and_goes_on(project: Project) -> None:
    """The whole tree is paused, a later supervisor leaves it so, and it ends when it is to."""
    paused = project.nexus("pause", "job")
    assert (paused.returncode, paused.stdout.splitlines()[-1]) == (0, "job: paused"), paused.stderr
    pid = project.pid("job.1")
    until(lambda: statuses(pid) == {psutil.STATUS_STOPPED}, what="the tree stands still")
    assert project.nexus("down", "--keep-running").returncode == 0
    assert project.nexus("up", "-d").returncode == 0
    assert project.in_state("job.1", "paused")
    assert statuses(pid) == {psutil.STATUS_STOPPED}
    assert project.nexus("resume", "job").stdout.splitlines()[-1] == "job: running"
    assert (project.pid("job.1"), psutil.STATUS_STOPPED in statuses(pid)) == (pid, False)
    assert project.nexus("pause", "job").returncode == 0
    assert project.nexus("stop", "job").stdout.splitlines()[-1] == "job: stopped"
    refused = project.nexus("pause", "job")
    assert (refused.returncode, "it is stopped" in refused.stderr) == (1, True)


def test_instances_come_and_go(project: Project) -> None:
    """The number survives the supervisor; one that can't be is refused and nothing changes."""
    assert project.nexus("scale", "job", "3").stdout.splitlines()[-1] == "job: as many as asked for"
    pids = {project.pid(f"job.{number}") for number in (1, 2, 3)}
    assert project.nexus("down", "--keep-running").returncode == 0
    assert project.nexus("up", "-d").returncode == 0
    assert {project.pid(f"job.{number}") for number in (1, 2, 3)} == pids
    service = project.json("status")["services"]["job"]
    assert (service["scaled"], len(service["instances"])) == (3, 3)
    assert project.nexus("scale", "job", "1").returncode == 0
    assert project.json("status")["services"]["job"]["scaled"] == 1
    assert project.nexus("scale", "job", "0").returncode == 2


def test_only_what_changed_is_touched(project: Project) -> None:
    """First the plan, then only that; a bad file changes nothing and is named with line and key."""
    file = project.folder / "nexus.toml"
    pids = {name: project.pid(name) for name in ("web.1", "job.1")}
    assert "nothing has changed" in project.nexus("reload", "--dry-run").stdout
    job = 'command = ["sh", "-c", "sleep 600 & wait"]\n'
    file.write_text(CONFIGURATION.replace(job, f'{job}env = {{ COLOUR = "red" }}\n') + "[services.new]\n" + job)
    preview = project.nexus("reload", "--dry-run").stdout.splitlines()
    assert preview == [
        "job  restart: its environment and environment (its values) changed", "new  start: it is new",
    ]  # fmt: skip
    assert {name: project.pid(name) for name in pids} == pids
    reloaded = project.nexus("reload")
    assert reloaded.returncode == 0, reloaded.stderr
    assert reloaded.stdout.splitlines()[:2] == preview
    assert project.pid("web.1") == pids["web.1"]
    assert project.in_state("job.1", "running", after=pids["job.1"])
    assert project.in_state("new.1", "running")
    pid = project.pid("job.1")
    file.write_text(file.read_text().replace("red", "blue"))
    plan = json.loads(project.nexus("reload", "--json").stdout)["plan"]
    assert [(it["service"], it["action"], it["keys"]) for it in plan["steps"]] == [
        ("job", "restart", ["environment (its values)"])
    ]  # fmt: skip
    assert project.in_state("job.1", "running", after=pid)
    assert "blue" not in project.read("events", "--json")
    file.write_text("[services.web]\ncommand = 3\n")
    refused = project.nexus("reload")
    assert (refused.returncode, f"{file}:2: services.web.command" in refused.stderr) == (1, True)
    assert project.pid("web.1") == pids["web.1"]


def test_groups_profiles_and_signals(project: Project) -> None:
    """A group is all its services, a profile starts what is declared for it, a signal reaches the process itself."""
    assert project.state().services.instances["debug.1"].state == "declared"
    assert project.nexus("up", "-d", "--profile", "dev").returncode == 0
    assert project.in_state("debug.1", "running")
    assert project.nexus("start", "@some").stdout.splitlines()[-1] == "told, debug: running"
    assert project.nexus("signal", "told").stdout.splitlines()[-1] == "told: told"
    until(lambda: project.read("logs", "told") == "told\n", what="the process was told")
    assert project.nexus("signal", "told", "USR9").returncode == 1
    assert "add reload_signal" in project.nexus("signal", "job").stderr
    assert "@some" in project.nexus("restart", "@none").stderr


def test_a_rolling_restart(project: Project) -> None:
    """Each instance gets a new process, one after the other; one that fails ends it."""
    assert project.nexus("scale", "web", "2").returncode == 0
    pids = {project.pid("web.1"), project.pid("web.2")}
    rolled = project.nexus("restart", "--rolling", "web")
    assert (rolled.returncode, rolled.stdout.splitlines()[-1]) == (0, "web: running"), rolled.stdout + rolled.stderr
    assert pids.isdisjoint({project.pid("web.1"), project.pid("web.2")})
    kept = project.pid("web.2")
    (project.folder / "server.py").write_text("raise SystemExit(3)")
    rolled = project.nexus("restart", "--rolling", "web")
    assert rolled.returncode == 1
    assert "the rolling restart was stopped: web.1 exited with code 3" in rolled.stderr
    assert project.pid("web.2") == kept

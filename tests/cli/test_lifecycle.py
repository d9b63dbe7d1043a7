"""Pausing, scaling, reloading: what people do with services that run."""

from __future__ import annotations

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

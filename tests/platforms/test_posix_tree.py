"""Whom a kill may reach, and whom never."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from nexus.platforms.linux import LinuxSystem
from nexus.platforms.posix_tree import Tree, Zombies
from tests.waiting import until

SYSTEM = LinuxSystem()


def test_a_pid_that_went_to_a_stranger_is_left_alone() -> None:
    """The same number with another moment of creation is somebody else."""
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        process = SYSTEM.look(stranger.pid)
        assert process is not None
        former = msgspec.structs.replace(process, created=process.created - 1)
        assert SYSTEM.send([former], signal.SIGKILL) == set()
        assert stranger.poll() is None
        assert SYSTEM.send([process], signal.SIGKILL) == {process}
    assert stranger.returncode == -signal.SIGKILL


def test_a_supervisor_that_a_service_started_does_not_kill_itself(tmp_path: Path) -> None:
    """It carries the mark of the run, and what it has started does too; both are spared."""
    script = (
        "import subprocess, sys; from pathlib import Path; from nexus.platforms.posix_tree import Tree\n"
        "from nexus.platforms.linux import LinuxSystem\n"
        "child = subprocess.Popen(['sleep', '1000'], env={})\n"
        "print(Tree(LinuxSystem(), Path(sys.argv[1])).send(9), child.poll()); child.kill(); child.wait()"
    )
    run_file = tmp_path / "7"
    environment = {**os.environ, "NEXUS_RUN_FILE": str(run_file)}
    command = [sys.executable, "-c", script, str(run_file)]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert output.split() == ["0", "None"]


def test_what_is_older_than_a_run_does_not_belong_to_it(tmp_path: Path) -> None:
    """A mark that was planted in an older process is not believed."""
    environment = {**os.environ, "NEXUS_RUN_FILE": str(tmp_path / "7")}
    with subprocess.Popen(["sleep", "1000"], env=environment) as process:
        until(lambda: Tree(SYSTEM, tmp_path / "7").owns(process.pid))
        made = SYSTEM.look(process.pid)
        assert made is not None
        assert not Tree(SYSTEM, tmp_path / "7", since=made.created + 1).owns(process.pid)
        process.kill()


def test_orphans_come_to_us_and_leave_no_zombie() -> None:
    """Whoever loses its parent below us is ours, and is reaped at the second look."""
    assert SYSTEM.gather_orphans()
    before = SYSTEM.children()
    subprocess.run(["setsid", "-f", "true"], check=True)
    ended = until(lambda: {pid for pid in SYSTEM.children() - before if (it := SYSTEM.look(pid)) and it.zombie})
    zombies = Zombies(SYSTEM)
    zombies.look(but=before)
    assert ended <= SYSTEM.children()
    zombies.look(but=before)
    assert not ended & SYSTEM.children()


def test_a_child_that_somebody_waits_for_keeps_its_exit_code() -> None:
    """One look never takes an exit code from whoever is about to ask for it."""
    with subprocess.Popen(["sh", "-c", "exit 3"]) as child:
        until(lambda: (it := SYSTEM.look(child.pid)) and it.zombie)
        Zombies(SYSTEM).look(but=set())
    assert child.returncode == 3

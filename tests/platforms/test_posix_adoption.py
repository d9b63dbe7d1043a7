"""Runs of a supervisor that was killed with SIGKILL are found again, each with its own fate."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from events.catalog import RunAbandoned, RunAdopted, RunExited, RunStarted
from nexus.platforms import posix_record
from tests.platforms.conformance import only, seen
from tests.platforms.linux_machine import LinuxMachine
from tests.waiting import until_async

SHELLS = ["dash", "bash"]


def start_and_die(linux: LinuxMachine, *commands: str) -> list[int]:
    """Have another supervisor start shell commands as runs 1, 2, ...; then kill -9 it: the pids of the services."""
    starter = subprocess.Popen(
        [sys.executable, "-m", "tests.platforms.starter", str(linux.home), *commands], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    with starter:
        assert starter.stdout is not None
        lines = [starter.stdout.readline().strip() for _ in range(len(commands) + 1)]
        assert lines.pop() == "ready"
        starter.kill()
    return [int(line) for line in lines]


def fifo(linux: LinuxMachine, name: str) -> Path:
    """Something that a service can wait for: it goes on when the test writes to it."""
    path = linux.home / name
    os.mkfifo(path)
    return path


async def test_each_run_of_a_killed_supervisor_is_found(linux: LinuxMachine) -> None:
    """Alive, ended with a code, ended by a signal: all learned at once, and the living are watched."""
    alive, _, killed = start_and_die(linux, "sleep 1000", "exit 4", "exec sleep 1000")
    os.kill(killed, signal.SIGKILL)
    await until_async(lambda: not linux.record(3).held)
    assert only(linux.processes.adopt(1, "web.1"), RunAdopted).pid == alive
    assert only(linux.processes.adopt(2, "web.1"), RunExited).exit_code == 4
    assert only(linux.processes.adopt(3, "web.1"), RunExited).signal == "KILL"
    os.kill(alive, signal.SIGKILL)
    assert (await seen(linux, RunExited)).run == 1


async def test_the_exit_code_after_adoption_is_known(linux: LinuxMachine) -> None:
    """Though nobody who lives is its parent, the code of a later end is learned."""
    go = fifo(linux, "go")
    start_and_die(linux, f"read line <{go}; exit 42")
    only(linux.processes.adopt(1, "web.1"), RunAdopted)
    go.write_text("now\n")
    assert (await seen(linux, RunExited)).exit_code == 42


async def test_no_log_line_is_lost(linux: LinuxMachine) -> None:
    """Services write to their logs themselves: nobody's death cuts them off."""
    go = fifo(linux, "go")
    start_and_die(linux, f"echo one; read line <{go}; echo two >&2; exit 0")
    only(linux.processes.adopt(1, "web.1"), RunAdopted)
    go.write_text("now\n")
    await seen(linux, RunExited)
    assert linux.said() == "one\ntwo\n"


async def test_what_was_left_behind_is_ended_by_the_next_supervisor(linux: LinuxMachine) -> None:
    """A run whose service ended alone counts as alive until its stragglers are gone too."""
    go = fifo(linux, "go")
    start_and_die(linux, f"setsid -f sleep 1000; read line <{go}; exit 4")
    go.write_text("now\n")
    await until_async(lambda: linux.record(1).status)
    only(linux.processes.adopt(1, "web.1"), RunAdopted)
    ended = await seen(linux, RunExited)
    assert (ended.exit_code, linux.members(1)) == (4, [])


async def test_a_service_whose_shim_was_killed_meanwhile_is_adopted(linux: LinuxMachine) -> None:
    """The service is watched itself, and its end is still told with its code."""
    go = fifo(linux, "go")
    (service,) = start_and_die(linux, f"read line <{go}; exit 5")
    os.kill(linux.record(1).shim, signal.SIGKILL)
    await until_async(lambda: not is_there(linux.record(1).shim))
    assert only(linux.processes.adopt(1, "web.1"), RunAdopted).pid == service
    go.write_text("now\n")
    ended = await seen(linux, RunExited)
    assert (ended.run, ended.exit_code, ended.signal) == (1, 5, None)


async def test_a_shimless_service_that_closed_everything_is_adopted(linux: LinuxMachine) -> None:
    """Without the lock, the marker in its environment still tells whose it is."""
    (service,) = start_and_die(linux, "exec 4>&-; exec sleep 1000")
    os.kill(linux.record(1).shim, signal.SIGKILL)
    await until_async(lambda: not linux.record(1).held)
    assert only(linux.processes.adopt(1, "web.1"), RunAdopted).pid == service
    os.kill(service, signal.SIGTERM)
    assert (await seen(linux, RunExited)).signal == "TERM"


async def test_an_end_that_nobody_could_see_is_told_as_such(linux: LinuxMachine) -> None:
    """With shim and service both killed, no exit code is made up."""
    (service,) = start_and_die(linux, "exec sleep 1000")
    os.kill(linux.record(1).shim, signal.SIGKILL)
    os.kill(service, signal.SIGKILL)
    await until_async(lambda: not linux.record(1).held)
    ended = only(linux.processes.adopt(1, "web.1"), RunExited)
    assert (ended.exit_code, ended.signal) == (None, None)
    assert "nobody saw it end" in ended.detail


async def test_a_run_that_was_claimed_and_never_begun_is_abandoned(linux: LinuxMachine) -> None:
    """A supervisor that was killed between claiming a run and starting it leaves an empty claim."""
    linux.path(1).write_text("run 1 web.1\n")
    only(linux.processes.adopt(1, "web.1"), RunAbandoned)


async def test_a_run_that_is_only_just_beginning_is_adopted_later(linux: LinuxMachine, tmp_path: Path) -> None:
    """While the shim is on its way, adoption neither waits long nor gives it up."""
    slow = slow_shell(tmp_path, "read line <%s" % fifo(linux, "go"))  # noqa: UP031
    first = LinuxMachine(linux.home, slow)
    assert first.processes.start(1, first.launch("lives")) == []
    assert linux.processes.adopt(1, "web.1") == []
    (linux.home / "go").write_text("now\n")
    adopted = await seen(linux, RunAdopted)
    assert (await seen(first, RunStarted)).pid == adopted.pid
    os.kill(adopted.pid, signal.SIGKILL)
    assert (await seen(linux, RunExited)).signal == "KILL"


async def test_a_run_whose_shim_dies_on_its_way_is_abandoned(linux: LinuxMachine) -> None:
    """What never said that it began did not begin."""
    claim = posix_record.Claim(linux.path(1), 1, "web.1")
    assert linux.processes.adopt(1, "web.1") == []
    claim.close()
    assert (await seen(linux, RunAbandoned)).run == 1


@pytest.mark.parametrize("shell", SHELLS)
async def test_ten_services_survive_and_nothing_is_started_twice(tmp_path: Path, shell: str) -> None:
    """Killed and taken over again and again, ten services go on undisturbed."""
    linux = LinuxMachine(tmp_path / "home")
    try:
        pids = start_and_die(linux, *["sleep 1000"] * 10)
        for _ in range(3):
            later = LinuxMachine(linux.home, shell)
            adopted = [only(later.processes.adopt(run, "web.1"), RunAdopted).pid for run in range(1, 11)]
            assert adopted == pids
    finally:
        linux.close()


def is_there(pid: int) -> bool:
    """Whether that process has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def slow_shell(folder: Path, first: str) -> str:
    """A shell that does something else before it is one."""
    path = folder / "slow-shell"
    path.write_text(f'#!/bin/sh\n{first}\nexec sh "$@"\n')
    path.chmod(0o755)
    return str(path)

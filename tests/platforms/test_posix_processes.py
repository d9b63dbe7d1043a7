"""Runs on Linux: how they end, what they leave behind, and what signals reach."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest

from events.catalog import RunExited, RunRefused, RunStarted, SignalSent
from events.envelope import Draft
from nexus.platforms import posix_processes
from nexus.platforms.base import Launch
from nexus.platforms.posix_tree import LOCK
from tests.platforms.conformance import only, seen, start
from tests.platforms.linux_machine import LIVES, LinuxMachine
from tests.platforms.test_posix_adoption import fifo, is_there, slow_shell
from tests.waiting import until_async

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


async def begin(linux: LinuxMachine, launch: Launch, run: int = 1) -> RunStarted:
    """Start a command of the test's own."""
    return await seen(linux, RunStarted, linux.processes.start(run, launch))


async def ends(linux: LinuxMachine, script: str, shell: str = "sh") -> RunExited:
    """How a shell script ends."""
    await begin(linux, linux.command(shell, "-c", script))
    return await seen(linux, RunExited)


# -- how it ended --------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("script", "code", "name"),
    [
        ("exit 137", 137, None),
        ("kill -9 $$", None, "KILL"),
        ("exit 255", 255, None),
        ("kill -SEGV $$", None, "SEGV"),
        ("exit 127", 127, None),
    ],
)
async def test_exit_137_is_no_kill(
    tmp_path: Path, shell: str, script: str, code: int | None, name: str | None
) -> None:  # fmt: skip
    """Whatever shell watches, a code and a signal are told apart."""
    path = shutil.which(shell) or shell
    if shell == "busybox":
        (tmp_path / "sh").symlink_to(path)
        path = str(tmp_path / "sh")
    linux = LinuxMachine(tmp_path / "home", path)
    ended = await ends(linux, script)
    assert (ended.exit_code, ended.signal, ended.detail) == (code, name, "")


async def test_where_the_shell_keeps_silent_both_are_named(linux: LinuxMachine) -> None:
    """dash says nothing of SIGINT: then nothing is claimed that nobody knows."""
    ended = await ends(linux, "kill -INT $$")
    assert (ended.exit_code, ended.signal, ended.detail) == (None, "INT", "exit 130 or SIGINT")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_service_outlives_its_shim(linux: LinuxMachine, number: int) -> None:
    """Killing the shell that watches does not end the service, and its end is still told."""
    began = await begin(linux, linux.command(*LIVES))
    os.kill(linux.record(1).shim, signal.SIGKILL)
    await until_async(lambda: not is_there(linux.record(1).shim))
    assert await linux.mailbox.wait(linux.clock.now() + 20_000) == []
    os.kill(began.pid, number)
    ended = await seen(linux, RunExited)
    assert (ended.exit_code, ended.signal) == (None, signal.Signals(number).name[3:])


async def test_the_exit_code_of_a_service_without_its_shim_is_known(linux: LinuxMachine) -> None:
    """The kernel tells it of a process that is nobody's child here."""
    go = fifo(linux, "go")
    await begin(linux, linux.command("sh", "-c", f"read line <{go}; exit 6"))
    os.kill(linux.record(1).shim, signal.SIGKILL)
    await until_async(lambda: not is_there(linux.record(1).shim))
    await linux.mailbox.wait(linux.clock.now() + 5_000)
    go.write_text("now\n")
    assert (await seen(linux, RunExited)).exit_code == 6


async def test_a_service_that_takes_its_shim_along_has_a_known_end(linux: LinuxMachine) -> None:
    """Who kills the whole group kills the watching shell too; the end is told all the same."""
    ended = await ends(linux, "kill -KILL 0")
    assert (ended.exit_code, ended.signal) == (None, "KILL")


async def test_a_service_that_closes_its_output_runs_on(linux: LinuxMachine) -> None:
    """Closed descriptors are no end."""
    began = await begin(linux, linux.command("sh", "-c", "exec >&- 2>&- 3>&- 4>&-; exec sleep 1000"))
    assert await linux.mailbox.wait(linux.clock.now() + 20_000) == []
    assert is_there(began.pid)
    linux.crash(1)
    assert (await seen(linux, RunExited)).signal == "KILL"


async def test_the_end_of_a_run_that_leaves_nothing_is_cheap(linux: LinuxMachine) -> None:
    """No look at the whole process table: the best of eleven is bound to ten times what was measured, in CPU time."""
    took_seconds = []
    for run in range(1, 12):
        await start(linux, run, "lives")
        began = time.process_time()
        linux.crash(run)
        await seen(linux, RunExited)
        took_seconds.append(time.process_time() - began)
    assert min(took_seconds) < 0.003


# -- what it leaves behind -----------------------------------------------------------------------

DAEMONS = {
    "double-forked": "setsid -f sleep 1000",
    "without an environment": "env -i setsid -f sleep 1000",
    "with everything closed": "setsid -f sleep 1000 4>&-",
    "in its group": "sleep 1000 &",
    "in its group with everything closed": "sleep 1000 4>&- &",
    "in its session": "env -i sh -mc 'sleep 1000 4>&- &' 4>&-",
}


@pytest.mark.parametrize("daemon", DAEMONS.values(), ids=DAEMONS.keys())
async def test_a_run_has_ended_only_when_its_whole_tree_has(linux: LinuxMachine, daemon: str) -> None:
    """Whatever a crashed service has left running is killed before its end is told."""
    ended = await ends(linux, f"{daemon}\nexit 5")
    assert ended.exit_code == 5
    assert ended.detail == "what it left behind was killed"
    assert linux.members(1) == []


@pytest.mark.parametrize("daemon", DAEMONS.values(), ids=DAEMONS.keys())
async def test_a_kill_reaches_the_whole_tree(linux: LinuxMachine, daemon: str) -> None:
    """A grandchild that left session, group and parent behind is found."""
    await begin(linux, linux.command("sh", "-c", f"{daemon}\necho ready\nsleep 1000\n:"))
    await linux.ready(1)
    await until_async(lambda: len(linux.members(1)) == 3)
    assert only(linux.processes.signal(1, "web.1", "KILL", tree=True), SignalSent).reached == 3
    assert (await seen(linux, RunExited)).signal == "KILL"
    assert linux.members(1) == []


async def test_a_stop_reaches_the_group(linux: LinuxMachine) -> None:
    """A shell's children end with it."""
    await begin(linux, linux.command("sh", "-c", "sleep 1000 & sleep 1000; :"))
    await until_async(lambda: len(linux.members(1)) == 3)
    assert only(linux.processes.signal(1, "web.1", "TERM", tree=False), SignalSent).reached == 3
    assert (await seen(linux, RunExited)).signal == "TERM"


async def test_who_was_left_by_a_stopped_service_may_tidy_up(linux: LinuxMachine) -> None:
    """After a stop, stragglers are asked and waited for; killing is the deadline's business."""
    tidy = "trap 'sleep 0.05; echo tidy; exit' TERM; echo ready; while :; do sleep 0.01; done"
    await begin(linux, linux.command("sh", "-c", f'setsid -f sh -c "{tidy}"; exec sleep 1000'))
    await linux.ready(1)
    linux.processes.signal(1, "web.1", "TERM", tree=False)
    assert (await seen(linux, RunExited)).signal == "TERM"
    assert linux.said().endswith("tidy\n")


async def test_a_straggler_that_ignores_the_stop_is_killed_when_asked(linux: LinuxMachine) -> None:
    """The end of a stopped run is not told while something of it lives."""
    stubborn = "trap '' TERM; echo ready; exec sleep 1000"
    await begin(linux, linux.command("sh", "-c", f'setsid -f sh -c "{stubborn}"; exec sleep 1000'))
    await linux.ready(1)
    linux.processes.signal(1, "web.1", "TERM", tree=False)
    assert await linux.mailbox.wait(linux.clock.now() + 50_000) == []
    assert only(linux.processes.signal(1, "web.1", "KILL", tree=True), SignalSent).reached == 1
    assert (await seen(linux, RunExited)).signal == "TERM"


async def test_a_signal_that_a_shell_can_not_survive_spares_the_shim(linux: LinuxMachine) -> None:
    """STOP and CONT pause and resume the service, never what watches it."""
    began = await begin(linux, linux.command(*LIVES))
    shim = linux.record(1).shim
    only(linux.processes.signal(1, "web.1", "STOP", tree=False), SignalSent)
    await until_async(lambda: state(began.pid) == "T")
    assert state(shim) != "T"
    only(linux.processes.signal(1, "web.1", "CONT", tree=True), SignalSent)
    await until_async(lambda: state(began.pid) == "S")


async def test_stragglers_of_a_stop_that_nobody_kills_are_killed_in_the_end(
    linux: LinuxMachine, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Patience has a bound of its own, whoever forgot to set one."""
    monkeypatch.setattr(posix_processes, "PATIENCE_SECONDS", 0.05)
    stubborn = "trap '' TERM; echo ready; exec sleep 1000"
    await begin(linux, linux.command("sh", "-c", f'setsid -f sh -c "{stubborn}"; exec sleep 1000'))
    await linux.ready(1)
    linux.processes.signal(1, "web.1", "TERM", tree=False)
    assert (await seen(linux, RunExited)).detail == "what it left behind was killed"
    assert linux.members(1) == []


async def test_what_can_not_be_killed_does_not_hide_an_end_for_ever(
    linux: LinuxMachine, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """After a while the end is told, with what is known of the survivor."""
    monkeypatch.setattr(posix_processes, "CLEAN_UP_SECONDS", 0.05)
    await begin(linux, linux.command(*LIVES))
    lock = share_lock(linux, 1)
    linux.crash(1)
    ended = await seen(linux, RunExited)
    os.close(lock)
    assert ended.signal == "KILL"
    assert ended.detail.endswith("something that this user may not see or kill has survived it")


@pytest.mark.parametrize(("signal", "tree"), [("TERM", False), ("KILL", True)])
async def test_a_run_can_be_ended_before_it_has_begun(
    linux: LinuxMachine, tmp_path: Path, signal: str, tree: bool
) -> None:  # fmt: skip
    """A stop that overtakes the start ends the run for good: the service never begins."""
    go = fifo(linux, "go")
    slow = LinuxMachine(linux.home, slow_shell(tmp_path, f"read line <{go}"))
    slow.processes.start(1, slow.command("sh", "-c", "echo begun"))
    assert only(slow.processes.signal(1, "web.1", signal, tree=tree), SignalSent).reached == 1
    ended = await seen(slow, RunExited)
    assert (ended.run, ended.exit_code, ended.signal) == (1, None, signal)
    assert slow.said() == ""


async def test_an_unknown_signal_reaches_nobody(linux: LinuxMachine) -> None:
    """A name that the system does not know does nothing."""
    await begin(linux, linux.command(*LIVES))
    assert only(linux.processes.signal(1, "web.1", "NONSENSE", tree=False), SignalSent).reached == 0


async def test_another_home_with_the_same_run_is_left_alone(linux: LinuxMachine, tmp_path: Path) -> None:
    """Runs of two supervisors may have the same position and the same instance."""
    other = LinuxMachine(tmp_path / "other")
    try:
        await begin(linux, linux.command(*LIVES))
        theirs = await begin(other, other.command(*LIVES))
        linux.processes.signal(1, "web.1", "KILL", tree=True)
        await seen(linux, RunExited)
        assert is_there(theirs.pid)
    finally:
        other.close()


# -- when the machine is short of something --------------------------------------------------------


async def test_a_start_on_a_busy_machine_is_told_later(linux: LinuxMachine, tmp_path: Path) -> None:
    """The caller is not kept waiting for a pid that does not come; it is posted, caused by the decision."""
    go = fifo(linux, "go")
    busy = LinuxMachine(linux.home, slow_shell(tmp_path, f"read line <{go}"))
    began = time.perf_counter()
    assert busy.processes.start(7, busy.command("sh", "-c", "exit 3")) == []
    assert time.perf_counter() - began < 1.0
    go.write_text("now\n")
    drafts: list[Draft] = []
    while len(drafts) < 2:
        drafts += await busy.mailbox.wait(busy.clock.now() + 10_000_000)
    assert [(type(draft.event), draft.cause) for draft in drafts] == [(RunStarted, 7), (RunExited, None)]


async def test_a_shim_that_can_not_begin_is_a_refusal(linux: LinuxMachine, tmp_path: Path) -> None:
    """Without a service there was no start; its run file goes, and no zombie stays."""
    broken = LinuxMachine(linux.home, slow_shell(tmp_path, "exit 1"))
    refused = await seen(broken, RunRefused, broken.processes.start(1, broken.command(*LIVES)))
    assert "before it began" in refused.error
    assert not linux.path(1).exists()


async def test_too_many_open_files_is_a_refusal_with_advice(linux: LinuxMachine) -> None:
    """The supervisor's own limits are told as what they are, and nothing is left behind."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    launch = linux.command(*LIVES)
    await linux.mailbox.wait(linux.clock.now())
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), hard))
    try:
        refused = only(linux.processes.start(1, launch), RunRefused)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "too many files" in refused.error
    assert "ulimit -n" in refused.advice
    assert not linux.path(1).exists()


async def test_a_start_is_not_lost_while_files_are_short(linux: LinuxMachine) -> None:
    """A record that can't be read yet is read later."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    drafts = linux.processes.start(1, linux.command(*LIVES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        drafts += await linux.mailbox.wait(linux.clock.now() + 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (await seen(linux, RunStarted, drafts)).run == 1


async def test_an_end_is_not_lost_while_files_are_short(linux: LinuxMachine) -> None:
    """A supervisor that can't open the record looks again until it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    began = await start(linux, 1, "lives")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        os.kill(began.pid, signal.SIGKILL)
        assert await linux.mailbox.wait(linux.clock.now() + 20_000) == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (await seen(linux, RunExited)).signal == "KILL"


def share_lock(linux: LinuxMachine, run: int) -> int:
    """The lock itself, as a process that we may not kill would hold it: we are such a one."""
    service = os.pidfd_open(linux.record(run).pid)
    try:
        return pidfd_getfd(service, LOCK)
    finally:
        os.close(service)


def pidfd_getfd(pidfd: int, descriptor: int) -> int:
    """A copy of another process's descriptor: system call 438, which Python does not have."""
    copy = int(ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, descriptor, 0))
    if copy < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return copy


def state(pid: int) -> str:
    """What the process does: S sleeping, T stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

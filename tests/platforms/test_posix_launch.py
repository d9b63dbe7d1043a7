"""What a run is given, and what is refused in plain words."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from events.catalog import RunExited, RunRefused
from nexus.platforms import posix_launch
from nexus.platforms.base import Launch
from tests.platforms.conformance import only, seen
from tests.platforms.linux_machine import PATH, LinuxMachine
from tests.waiting import until_async

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start something as another user")
NOBODY = pwd.getpwuid(65534) if os.geteuid() == 0 else None


async def says(linux: LinuxMachine, launch: Launch) -> str:
    """Everything that a command says until it ends."""
    drafts = linux.processes.start(1, launch)
    assert not [draft for draft in drafts if isinstance(draft.event, RunRefused)], drafts
    await seen(linux, RunExited)
    return linux.said()


def refusal(linux: LinuxMachine, launch: Launch) -> RunRefused:
    """Why it is not started; nothing is left behind."""
    refused = only(linux.processes.start(1, launch), RunRefused)
    assert not linux.path(1).exists()
    return refused


# -- what it is given ----------------------------------------------------------------------------


async def test_a_run_gets_its_environment_and_nothing_else(linux: LinuxMachine) -> None:
    """What was declared, what marks it, and no variable of the supervisor; odd names too."""
    environment = {"A": "1", "spring.port": "2", "LINES_IN": "a\nb", "nexus_shim_status": "kept"}
    said = await says(linux, linux.command("env", "-0", environment=environment))
    pairs = dict(entry.split("=", 1) for entry in said.split("\0") if entry)
    shells_own = {"PWD": "/", "_": pairs.get("_", ""), "SHLVL": pairs.get("SHLVL", ""), "LC_CTYPE": "C.UTF-8"}
    expected = {
        **environment,
        "PATH": PATH,
        "NEXUS_RUN": "1",
        "NEXUS_INSTANCE": "web.1",
        "NEXUS_RUN_FILE": str(linux.path(1)),
    }
    assert {name: value for name, value in pairs.items() if name not in shells_own} == expected


async def test_a_run_gets_no_descriptor_but_its_own(linux: LinuxMachine) -> None:
    """Input, output, error and the lock: what the supervisor itself had inherited stays with it."""
    with (linux.home / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        linux.successor()
        said = await says(linux, linux.command("sh", "-c", "ls /proc/$$/fd"))
    assert said.split() == ["0", "1", "2", "4"]


async def test_a_run_starts_with_all_signals_as_they_were_made(linux: LinuxMachine) -> None:
    """Neither a blocked nor an ignored signal is inherited, though Python ignores SIGPIPE."""
    said = await says(linux, linux.command("grep", "-E", "SigBlk|SigIgn", "/proc/self/status"))
    libc_internal = 1 << 31 | 1 << 32
    assert {int(line.split()[1], 16) & ~libc_internal for line in said.splitlines()} == {0}


async def test_a_run_works_in_its_directory(linux: LinuxMachine, tmp_path: Path) -> None:
    """Odd names of folders and odd arguments arrive as they are."""
    folder = tmp_path / "-a folder; with $ODD 'name'"
    folder.mkdir()
    said = await says(linux, linux.command("sh", "-c", 'pwd; echo "$PWD" "$0"', "*;$(x)", directory=str(folder)))
    assert said == f"{folder}\n{folder} *;$(x)\n"


async def test_what_it_says_is_added_to_its_log(linux: LinuxMachine) -> None:
    """Both outputs go straight to the file, whose folder is made."""
    linux.log.parent.mkdir(parents=True)
    linux.log.write_text("before\n")
    assert await says(linux, linux.command("sh", "-c", "echo out; echo err >&2")) == "before\nout\nerr\n"


async def test_its_input_is_empty(linux: LinuxMachine) -> None:
    """A program that reads its input does not hang on the supervisor's terminal."""
    assert await says(linux, linux.command("sh", "-c", "cat; echo end")) == "end\n"


# -- as another user -------------------------------------------------------------------------------


@AS_ROOT
@pytest.mark.parametrize("odd", [{}, {"odd.name": "x"}], ids=["setpriv", "fallback"])
async def test_a_run_of_another_user_is_that_user_in_all(
    linux: LinuxMachine, tmp_path: Path, odd: dict[str, str]
) -> None:  # fmt: skip
    """User, groups, HOME and USER change; the log is open to it by name."""
    assert NOBODY is not None
    script = "id -u; id -g; id -G; echo $HOME $USER $LOGNAME; echo end >>/dev/stdout"
    opened(tmp_path)
    launch = linux.command("sh", "-c", script, user=NOBODY.pw_name, environment={**odd, "USER": "root"})
    said = await says(linux, launch)
    group = str(NOBODY.pw_gid)
    groups = " ".join(str(number) for number in os.getgrouplist(NOBODY.pw_name, NOBODY.pw_gid))
    user = f"{NOBODY.pw_dir} {NOBODY.pw_name} {NOBODY.pw_name}"
    assert said.splitlines() == [str(NOBODY.pw_uid), group, groups, user, "end"]


@AS_ROOT
def test_the_fallback_drops_every_right() -> None:
    """Without setpriv, Python itself becomes the user before it becomes the command."""
    assert NOBODY is not None
    command = [sys.executable, "-I", "-S", posix_launch.EXECUTE, NOBODY.pw_name, "grep", "-E", "^(Uid|Gid|CapEff)"]
    output = subprocess.run([*command, "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in output.splitlines()} == {str(NOBODY.pw_uid), str(NOBODY.pw_gid), "0" * 16}


@AS_ROOT
async def test_a_run_of_another_user_is_watched_and_stopped_like_any_other(linux: LinuxMachine) -> None:
    """The shim stays root's, so that the service can't touch its record."""
    assert NOBODY is not None
    linux.processes.start(1, linux.command("sleep", "1000", user=NOBODY.pw_name))
    await until_async(lambda: linux.record(1).pid and owner(linux.record(1).pid) == NOBODY.pw_uid)
    assert owner(linux.record(1).shim) == 0
    linux.processes.signal(1, "web.1", "TERM", tree=False)
    assert (await seen(linux, RunExited)).signal == "TERM"


def owner(pid: int) -> int:
    """As whom a process runs."""
    return Path(f"/proc/{pid}").stat().st_uid


async def test_an_unknown_user_is_refused(linux: LinuxMachine) -> None:
    """The message names the user and how to make it."""
    refused = refusal(linux, linux.command("true", user="no-such-user"))
    assert refused.error == "there is no user 'no-such-user'"
    assert "useradd" in refused.advice


@AS_ROOT
async def test_only_root_can_become_another_user(linux: LinuxMachine) -> None:
    """An ordinary user's supervisor says so instead of failing in the child."""
    os.seteuid(65534)
    try:
        refused = posix_launch.refusal(1, linux.command("true", user="root"), linux.sockets)
    finally:
        os.seteuid(0)
    assert refused is not None
    assert refused.error == "only root may start it as user 'root'"


@AS_ROOT
async def test_a_program_that_the_user_can_not_reach_is_refused(linux: LinuxMachine, tmp_path: Path) -> None:
    """A closed folder on the way is named, with the command that opens it."""
    assert NOBODY is not None
    opened(tmp_path)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "program").write_text("#!/bin/sh\n")
    (closed / "program").chmod(0o755)
    refused = refusal(linux, linux.command(str(closed / "program"), user=NOBODY.pw_name))
    assert refused.error == f"user {NOBODY.pw_name!r} may not execute {closed / 'program'}"
    assert refused.advice == f"Open the way: chmod o+x {closed}"
    refused = refusal(linux, linux.command("true", user=NOBODY.pw_name, directory=str(closed)))
    assert refused.error == f"user {NOBODY.pw_name!r} may not enter its directory {closed}"


def opened(folder: Path) -> None:
    """Let everybody pass through the folders of the test."""
    for part in (folder, *folder.parents):
        if part.stat().st_uid == os.geteuid() and part != Path("/"):
            part.chmod(part.stat().st_mode | 0o711)


# -- what is refused -----------------------------------------------------------------------------


async def test_a_command_that_is_nowhere_names_the_path(linux: LinuxMachine) -> None:
    """Where it was looked for is what a person needs to know."""
    refused = refusal(linux, linux.command("no-such-program", environment={"PATH": "/one:/two"}))
    assert refused.error == "command 'no-such-program' was not found in PATH"
    assert refused.advice.endswith("PATH is /one:/two")
    assert refused.advice


async def test_a_command_with_a_path_is_named_in_full(linux: LinuxMachine, tmp_path: Path) -> None:
    """A relative command is looked for in the service's directory."""
    refused = refusal(linux, linux.command("bin/server", directory=str(tmp_path)))
    assert refused.error == f"command {tmp_path}/bin/server does not exist"


async def test_a_file_that_is_no_program_says_how_to_make_it_one(linux: LinuxMachine, tmp_path: Path) -> None:
    """The most usual mistake with a fresh script."""
    (tmp_path / "server").touch(mode=0o644)
    refused = refusal(linux, linux.command("./server", directory=str(tmp_path)))
    assert refused.error == f"{tmp_path}/./server is not executable"
    assert refused.advice == f"Make it so: chmod +x {tmp_path}/./server"


async def test_a_missing_directory_is_named(linux: LinuxMachine, tmp_path: Path) -> None:
    """The folder, not the program, is what is missing."""
    refused = refusal(linux, linux.command("true", directory=str(tmp_path / "gone")))
    assert refused.error == f"its directory {tmp_path}/gone does not exist"


async def test_no_command_is_refused(linux: LinuxMachine) -> None:
    """Nothing can't be started."""
    assert refusal(linux, linux.command()).error == "it has no command"
    assert refusal(linux, linux.command("")).error == "it has no command"


async def test_a_value_that_no_process_can_have_is_refused(linux: LinuxMachine) -> None:
    """A NUL in an argument or variable is told, and nothing is left behind."""
    assert "null" in refusal(linux, linux.command("echo", "a\0b")).error
    assert "null" in refusal(linux, linux.command("echo", environment={"A": "a\0b"})).error


async def test_too_long_a_command_is_refused(linux: LinuxMachine) -> None:
    """The system's limit is told as what it is."""
    assert "too long" in refusal(linux, linux.command("true", "x" * 3_000_000)).error


async def test_a_log_that_can_not_be_written_is_refused(linux: LinuxMachine) -> None:
    """A service whose words would be lost is not started."""
    linux.log.mkdir(parents=True)
    assert "Is a directory" in refusal(linux, linux.command("true")).error


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EAGAIN, "no more processes"),
        (errno.ENFILE, "too many files"),
        (errno.ENOMEM, "no memory"),
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
    ],
)
def test_what_the_system_lacks_is_told_with_advice(linux: LinuxMachine, number: int, words: str) -> None:
    """Each shortage has its own words and its own next step."""
    refused = posix_launch.refused(1, linux.command("true"), OSError(number, os.strerror(number)))
    assert words in refused.error
    assert refused.advice


def test_a_shell_that_could_not_fork_says_what_to_raise() -> None:
    """The limit is met inside the shim, and told as clearly."""
    refused = posix_launch.refused_by_shell(1, "web.1", "shim.sh: 11: Cannot fork")
    assert "Cannot fork" in refused.error
    assert "ulimit -u" in refused.advice

"""How a run is begun: what speaks against it in plain words, and the one call that makes it exist."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import errno
import fcntl
import os
import pwd
import shutil
import signal as signals
import socket
from functools import cache
from pathlib import Path

from events.catalog import RunRefused
from events.envelope import Position
from nexus.platforms.base import Launch, Sockets
from nexus.platforms.posix_record import Claim
from nexus.platforms.posix_tree import MARKER
from nexus.platforms.sockets import own_socket

SHIM = str(Path(__file__).with_name("shim.sh"))
EXECUTE = str(Path(__file__).with_name("posix_execute.py"))
_RESET = sorted(signals.valid_signals() - {signals.SIGKILL, signals.SIGSTOP})


class LaunchRefused(ValueError):  # noqa: N818 - it is an answer, not an accident
    """The operating system would not start it: what is wrong, and what to do."""

    def __init__(self, error: str, advice: str = "") -> None:
        super().__init__(error)
        self.error, self.advice = error, advice


@cache
def default_shell() -> str:
    """The smallest shell there is: dash takes an eighth of the memory of bash."""
    return shutil.which("dash") or shutil.which("sh") or "/bin/sh"


def keep_descriptors() -> None:
    """Let no service inherit what this process was given by whoever started it: a pipe, a lock, a socket."""
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the listing's own is closed again
                os.set_inheritable(int(name), False)


def refusal(run: Position, launch: Launch, sockets: Sockets) -> RunRefused | None:
    """What speaks against starting it, found without starting anything."""
    try:
        account = _account(launch.user)
        _check_directory(launch.directory, account)
        _check_command(launch, account)
    except LaunchRefused as refused:
        return RunRefused(instance=launch.instance, run=run, error=refused.error, advice=refused.advice)
    for port, host in launch.ports.items():
        if (problem := _taken(port, host)) is None:
            continue
        owner = next(iter(sockets.owners(port)), None)
        return RunRefused(
            instance=launch.instance, run=run, port=port, owner=owner,
            error=f"port {port} is already open: held by {owner}" if owner else f"port {port}: {problem}",
            advice=f"Stop that process, or give {launch.instance} another port.",
        )  # fmt: skip
    return None


def refused(run: Position, launch: Launch, error: OSError | ValueError) -> RunRefused:
    """The same for what the system said when it was tried."""
    number = error.errno if isinstance(error, OSError) else None
    text, advice = {
        errno.EMFILE: ("this supervisor has too many files open", "Raise its limit: `ulimit -n`."),
        errno.ENFILE: ("the machine has too many files open", "Raise fs.file-max, or stop something."),
        errno.EAGAIN: ("no more processes may be started", "Raise the limit: `ulimit -u`, pids.max of the container."),
        errno.ENOMEM: ("there is no memory for another process", "Stop something, or add memory."),
        errno.E2BIG: ("command and environment are too long", "Shorten them, or pass a file."),
        errno.ENOSPC: ("the disk is full", "Free some space."),
        errno.EDQUOT: ("the disk quota is used up", "Free some space."),
    }.get(number or 0, ("", ""))
    return RunRefused(
        instance=launch.instance, run=run, error=f"{text}: {error}" if text else str(error), advice=advice
    )  # fmt: skip


def refused_by_shell(run: Position, instance: str, messages: str) -> RunRefused:
    """The same for a shim that ended before the service began."""
    advice = "Raise the limit: `ulimit -u`, pids.max of the container." if "fork" in messages else ""
    error = messages or "the shell that was to watch it ended before it began"
    return RunRefused(instance=instance, run=run, error=error, advice=advice)


def spawn(run: Position, launch: Launch, run_file: Path, claim: Claim, shell: str) -> int:
    """Start the shim in that shell, which starts the service: the pid of the shim, which leads a session of its own.

    Raises OSError or ValueError.
    """
    account = _account(launch.user)
    log = _open_log(launch.log_file, account)
    given = {1: log, 2: log, 3: claim.file, 4: claim.lock}
    high: dict[int, int] = {}
    try:
        for number, descriptor in given.items():  # dup2 onto itself would keep it closed-on-exec
            high[number] = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
        environment = _environment(run, launch, run_file, account)
        command, environment = _command(launch, account, environment)
        return os.posix_spawn(
            shell,
            [shell, SHIM, os.path.abspath(launch.directory or "/"), *command],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                *((os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in high.items()),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=_RESET,
        )
    finally:
        for descriptor in (log, *high.values()):
            os.close(descriptor)


# -- what the run is given -----------------------------------------------------------------------


def _account(user: str) -> pwd.struct_passwd | None:
    """Whom it runs as, None for ourselves."""
    if not user:
        return None
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise LaunchRefused(
            f"there is no user {user!r}", f"Create it (`useradd --system {user}`) or name another user."
        ) from None
    if account.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise LaunchRefused(
            f"only root may start it as user {user!r}", f"Run nexus as root or as {user}, or leave the user out."
        )
    return account


def _environment(
    run: Position, launch: Launch, run_file: Path, account: pwd.struct_passwd | None
) -> dict[str, str]:  # fmt: skip
    who = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name} if account else {}
    ours = {"NEXUS_RUN": str(run), "NEXUS_INSTANCE": launch.instance, MARKER: str(run_file)}
    return {**launch.environment, **who, **ours}


def _command(
    launch: Launch, account: pwd.struct_passwd | None, environment: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The command line behind what drops privileges and restores names that a shell would not pass on."""
    odd = {name: value for name, value in environment.items() if not _passes_a_shell(name)}
    if odd or (account and not _setpriv()):
        plain = {name: value for name, value in environment.items() if name not in odd}
        helped = {f"NEXUS_ODD_{number}": f"{name}={value}" for number, (name, value) in enumerate(odd.items())}
        user = account.pw_name if account else ""
        return [sys.executable, "-I", "-S", EXECUTE, user, *launch.argv], {**plain, **helped}
    if account:
        ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
        return [_setpriv(), *ids, "--", *launch.argv], environment
    return list(launch.argv), environment


def _passes_a_shell(name: str) -> bool:
    return name.isascii() and name.isidentifier()


@cache
def _setpriv() -> str:
    return shutil.which("setpriv") or ""


def _open_log(path: str, account: pwd.struct_passwd | None) -> int:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    if account:  # so that it may open /dev/stdout by name
        os.fchown(log, account.pw_uid, account.pw_gid)
    return log


# -- what may speak against it -------------------------------------------------------------------


def _check_directory(directory: str, account: pwd.struct_passwd | None) -> None:
    if directory and not os.path.isdir(directory):
        raise LaunchRefused(f"its directory {directory} does not exist", "Create it, or correct `directory`.")
    if directory and account and (barrier := _barrier(directory, account)):
        raise LaunchRefused(
            f"user {account.pw_name!r} may not enter its directory {directory}", f"Open the way: chmod o+x {barrier}"
        )


def _check_command(launch: Launch, account: pwd.struct_passwd | None) -> None:
    if not launch.argv or not launch.argv[0]:
        raise LaunchRefused("it has no command", 'Give it one: `command = "..."`.')
    name, search = launch.argv[0], launch.environment.get("PATH", os.defpath)
    directory = os.path.abspath(launch.directory or "/")
    if "/" not in name:
        candidates = [os.path.join(directory, folder, name) for folder in search.split(os.pathsep)]
    else:
        candidates = [os.path.join(directory, name)]
    files = [path for path in candidates if os.path.isfile(path)]
    found = next((path for path in files if os.access(path, os.X_OK)), None)
    if found is None and files:
        raise LaunchRefused(f"{files[0]} is not executable", f"Make it so: chmod +x {files[0]}")
    if found is None and "/" in name:
        raise LaunchRefused(f"command {candidates[0]} does not exist", "Install it, or correct `command`.")
    if found is None:
        raise LaunchRefused(
            f"command {name!r} was not found in PATH", f"Install it, or give its full path; PATH is {search}"
        )
    if account and (barrier := _barrier(found, account)):
        raise LaunchRefused(
            f"user {account.pw_name!r} may not execute {found}", f"Open the way: chmod o+x {barrier}"
        )  # fmt: skip


def _barrier(path: str, account: pwd.struct_passwd) -> str | None:
    """The first folder or file on the way that the user may not enter or execute."""
    groups = set(os.getgrouplist(account.pw_name, account.pw_gid))
    full = Path(os.path.realpath(path))
    for part in (*reversed(full.parents), full):
        status = part.stat()
        shift = 6 if status.st_uid == account.pw_uid else 3 if status.st_gid in groups else 0
        if not status.st_mode >> shift & 1:
            return str(part)
    return None


def _taken(port: int, host: str) -> str | None:
    """Why nobody could listen there now, None when one could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with own_socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror if error.errno in (errno.EADDRINUSE, errno.EACCES) else None
    return None

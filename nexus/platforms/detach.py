"""Supervisors that outlive the terminal they were started from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

RUN_VARIABLES = ("NEXUS_RUN", "NEXUS_INSTANCE", "NEXUS_RUN_FILE")
"""What marks a process as part of a run; a supervisor that a service starts is not part of it."""

_children: list[subprocess.Popen[bytes]] = []


def start_detached(argv: Sequence[str], output: Path, environment: Mapping[str, str] | None = None) -> int:
    """Start a program in a session of its own, its output added to a file: its pid; raises OSError."""
    source = os.environ if environment is None else environment
    clean = {name: value for name, value in source.items() if name not in RUN_VARIABLES}
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("ab") as file:
        _children.append(_detached(list(argv), file.fileno(), clean))
    return _children[-1].pid


if sys.platform == "win32":

    def _detached(argv: list[str], output: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        try:
            return _popen(argv, output, environment, flags | subprocess.CREATE_BREAKAWAY_FROM_JOB)
        except PermissionError:  # the job that we are in does not let anybody leave
            return _popen(argv, output, environment, flags)

    def _popen(argv: list[str], output: int, environment: dict[str, str], flags: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, creationflags=flags
        )  # fmt: skip

else:

    def _detached(argv: list[str], output: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )  # fmt: skip


def ended(pid: int) -> int | None:
    """The exit code of a program that this process has started detached, None while it runs."""
    return next((child.poll() for child in _children if child.pid == pid), None)


def created(pid: int) -> int | None:
    """When that process was made, in a unit of the system's own; with the pid it names one process life."""
    if sys.platform == "linux":
        from nexus.platforms.linux import LinuxSystem

        process = LinuxSystem().look(pid)
        return None if process is None or process.zombie else process.created
    else:  # noqa: RET505 - mypy leaves it out elsewhere
        try:
            return int(psutil.Process(pid).create_time() * 1e6)
        except psutil.Error:
            return None


def is_alive(pid: int, made: int = 0) -> bool:
    """Whether that process life still lasts; without `made`, whether anything has that pid."""
    now = created(pid)
    return now is not None and (not made or now == made)

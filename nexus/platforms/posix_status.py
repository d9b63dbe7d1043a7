"""What an end means: telling an exit code from a signal, as far as anybody knows."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import os
import signal as signals
import subprocess
from functools import cache

from events.catalog import RunExited
from events.envelope import Position
from nexus.platforms.posix_record import Record

UNSEEN = "nobody saw it end: the shell that watches it was killed, or the machine went down"


def exited(
    run: Position, instance: str, record: Record, shell: str, wait_status: int | None = None, detail: str = ""
) -> RunExited:  # fmt: skip
    """The end of a run, from the shell's `$?` or, where its shim was killed, from a wait status."""
    if record.status is not None:
        code, signal, said = _from_shell(record.status, shell, told=bool(record.messages))
    elif wait_status is not None:
        code, signal, said = _from_wait(wait_status)
    else:
        code, signal, said = None, None, UNSEEN
    return RunExited(
        instance=instance, run=run, exit_code=code, signal=signal, detail="; ".join(filter(None, (said, detail)))
    )  # fmt: skip


def _from_shell(status: int, shell: str, *, told: bool) -> tuple[int | None, str | None, str]:
    """`$?` is 128 + the signal, but a program may exit with 137 too: a shell says "Killed" only of a signal."""
    name = signal_name(status - 128)
    if name is None:
        return status, None, ""
    if told:
        return None, name, ""
    if _shell_tells(shell, status - 128):
        return status, None, ""
    return None, name, f"exit {status} or SIG{name}"


def _from_wait(status: int) -> tuple[int | None, str | None, str]:
    code = os.waitstatus_to_exitcode(status)
    return (code, None, "") if code >= 0 else (None, signal_name(-code) or str(-code), "")


def signal_name(number: int) -> str | None:
    """`"KILL"` for 9, None for what is no signal."""
    try:
        return signals.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return None


@cache
def _shell_tells(shell: str, number: int) -> bool:
    """Whether the shell says that a child died of that signal; most keep silent about INT and PIPE."""
    script = f"sh -c 'kill -{number} $$'; :"
    answer = subprocess.run([shell, "-c", script], capture_output=True, check=False, timeout=5)
    return bool(answer.stderr)

"""The run file: who makes a run claims it, the shim writes into it, and its lock says whether anything still lives."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import fcntl
import os
from pathlib import Path

import msgspec

from events.envelope import Position


class Record(msgspec.Struct, frozen=True):
    """What a run file says: the pids of shim and service, the shell's `$?`, and what the shell complained about."""

    shim: int = 0
    pid: int = 0
    status: int | None = None
    messages: str = ""
    held: bool = False
    """Whether the shim, the service or anything that it started is still alive."""


class Claim:
    """A run file that was made and locked by us: both descriptors go to the shim, then we close ours."""

    def __init__(self, path: Path, run: Position, instance: str) -> None:
        """Raises FileExistsError when the run was begun before."""
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.lock = -1
        try:
            self.lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Takes the disk block now, so that a disk which fills up later cannot swallow the exit status.
            os.write(self.file, f"run {run} {instance}\n".encode())
        except OSError:
            os.unlink(path)
            self.close()
            raise

    def close(self) -> None:
        """Leave the lock to those who inherited it."""
        for descriptor in (self.file, self.lock):
            if descriptor >= 0:
                os.close(descriptor)


def read(path: Path) -> Record:
    """What the run file says, with the lock looked at first; raises FileNotFoundError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        held = not _free(file)
        text = os.pread(file, 4096, 0).decode(errors="replace")
    finally:
        os.close(file)
    return _parse(text, held)


def _free(file: int) -> bool:
    """Whether nobody holds the lock; a shared one suffices to ask and never disturbs another who asks."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _parse(text: str, held: bool) -> Record:
    numbers: dict[str, int] = {}
    messages: list[str] = []
    for line in text.splitlines():
        word, _, value = line.partition(" ")
        if word in ("shim", "start", "exit") and value.isdigit():
            numbers[word] = int(value)
        elif word != "run" and line:
            messages.append(line)
    return Record(
        numbers.get("shim", 0), numbers.get("start", 0), numbers.get("exit"), "; ".join(messages), held
    )  # fmt: skip

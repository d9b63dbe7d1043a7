"""The files of a log, and what is kept beside them: the head and the ballast.

A home holds `events-000001.db`, `events-000002.db`, … of which the last one is written to, `events.head` (the
last event as known outside the database), `events.ballast` (room for bad days) and `events.lock`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
from pathlib import Path

import msgspec

from events.chain import Head

LOCK = "events.lock"
HEAD = "events.head"
BALLAST = "events.ballast"

HEAD_BYTES = 512
"""One sector: it is written whole or not at all."""

_name = re.compile(r"events-(\d{6,})\.db")


def path_of(home: Path, number: int) -> Path:
    """Where file `number` of the log lies, 1 for the first."""
    return home / f"events-{number:06}.db"


def number_of(path: Path) -> int | None:
    """The number of a log file; None for any other file."""
    match = _name.fullmatch(path.name)
    return int(match[1]) if match else None


def numbers(home: Path) -> list[int]:
    """The numbers of the log files of a home, oldest first."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(number for path in home.iterdir() if (number := number_of(path)) is not None)
    return []


# -- the head outside the database -----------------------------------------------------------------


class OutsideHead(msgspec.Struct, frozen=True):
    """The head of a log as kept in `events.head`; `hash` is hexadecimal."""

    log_id: str
    seq: int
    at: int
    hash: str

    @classmethod
    def of(cls, log_id: str, head: Head) -> OutsideHead:
        """The form in which `head` is kept."""
        return cls(log_id, head.seq, head.at, head.hash.hex())


def read_head(home: Path) -> OutsideHead | None:
    """The head kept outside the database; None where there is none.

    Raises msgspec.DecodeError when the file holds something else.
    """
    try:
        content = (home / HEAD).read_bytes()
    except FileNotFoundError:
        return None
    found: list[OutsideHead] = []
    for line in (content[:HEAD_BYTES], content[HEAD_BYTES:]):
        with contextlib.suppress(msgspec.DecodeError):
            found.append(msgspec.json.decode(line, type=OutsideHead))
    if not found:
        raise msgspec.DecodeError("no line of it is a head")
    return max(found, key=lambda head: head.seq)


def write_head(home: Path, head: OutsideHead) -> None:
    """Replace the head kept outside the database; durable when this returns. Raises OSError."""
    write_durably(home / HEAD, _line(head) * 2)


def _line(head: OutsideHead) -> bytes:
    return msgspec.json.encode(head).ljust(HEAD_BYTES - 1) + b"\n"


class HeadFile:
    """Two lines, written in place and in turns: that is cheap, and a power cut spoils at most one of them."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._descriptor: int | None = None
        self._line = 0

    def write(self, head: OutsideHead) -> None:
        """Keep this head; durable when it returns. Raises OSError."""
        if self._descriptor is None:
            write_head(self._home, head)
            self._descriptor = os.open(self._home / HEAD, os.O_WRONLY | getattr(os, "O_BINARY", 0))
            return
        self._line = 1 - self._line
        os.lseek(self._descriptor, self._line * HEAD_BYTES, os.SEEK_SET)
        os.write(self._descriptor, _line(head))
        getattr(os, "fdatasync", os.fsync)(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file; it has the old content or the new one, whatever happens, and the new one when this returns."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    sync_directory(path.parent)


def sync_directory(home: Path) -> None:
    """Make names durable; Windows does that by itself."""
    if sys.platform != "win32":
        descriptor = os.open(home, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# -- ballast ---------------------------------------------------------------------------------------


def make_ballast(home: Path, size_bytes: int) -> None:
    """Set room aside that can be freed when the disk is full; raises OSError when there is none.

    As much again must stay free: whoever appends meanwhile must not find the disk filled by us.
    """
    path = home / BALLAST
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size == size_bytes:
            return
    if shutil.disk_usage(home).free < 2 * size_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    with path.open("wb") as file:
        if sys.platform == "linux":
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        else:
            file.write(b"\0" * size_bytes)


def free_ballast(home: Path) -> int:
    """Give the room back; returns how many bytes that were."""
    path = home / BALLAST
    try:
        size_bytes = path.stat().st_size
        path.unlink()
    except OSError:
        return 0
    return size_bytes

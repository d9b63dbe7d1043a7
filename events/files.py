"""The files of a log, and what is kept beside them: the head and the ballast.

A home holds `events-000001.db`, `events-000002.db`, … of which the last one is written to, `events.head` (the
last event as known outside the database), `events.ballast` (room for bad days) and `events.lock`.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

import msgspec

from events.chain import Head

LOCK = "events.lock"
HEAD = "events.head"
BALLAST = "events.ballast"

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
        return msgspec.json.decode((home / HEAD).read_bytes(), type=OutsideHead)
    except FileNotFoundError:
        return None


def write_head(home: Path, head: OutsideHead) -> None:
    """Replace the head kept outside the database; durable when this returns."""
    path = home / HEAD
    write_durably(path.with_suffix(".new"), msgspec.json.encode(head) + b"\n")
    os.replace(path.with_suffix(".new"), path)
    sync_directory(home)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file; its content is on the disk when this returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


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
    """Set room aside that can be freed when the disk is full; raises OSError when there is none."""
    path = home / BALLAST
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size == size_bytes:
            return
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

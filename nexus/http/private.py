"""Files that hold secrets, or their hashes: for their owner only, never half written, changed by one at a time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

LOCK_SECONDS = 5.0
"""Longer than any change takes: an older lock was left by a crash."""

PAUSE_SECONDS = 0.01


class PrivateList(Generic[T]):
    """A list of structs in a file of mode 0600."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        self.path, self.kind = path, kind
        self._read_at: tuple[int, int] | None = None
        self._items: tuple[T, ...] = ()

    def read(self) -> tuple[T, ...]:
        """The items; the file is read again once it was replaced."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._items, self._read_at = (), None
        else:
            if self._read_at != (found.st_mtime_ns, found.st_ino):
                self._items = tuple(msgspec.json.decode(self.path.read_bytes(), type=list[self.kind]))  # type: ignore[name-defined]
                self._read_at = (found.st_mtime_ns, found.st_ino)
        return self._items

    @contextlib.contextmanager
    def changing(self) -> Iterator[list[T]]:
        """The items to change; what the block leaves is written, processes take turns."""
        lock = self.path.with_suffix(".lock")
        _take(lock)
        try:
            items = list(self.read())
            yield items
            write_private(self.path, msgspec.json.encode(items))
        finally:
            lock.unlink(missing_ok=True)


def _take(lock: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            return
        except FileExistsError:
            if time.monotonic() > deadline:
                lock.unlink(missing_ok=True)
            time.sleep(PAUSE_SECONDS)


def is_open_to_others(path: Path) -> bool:
    """Whether somebody else may read the file."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file that only its owner can read; it never exists with other rights, nor half written."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)

"""The lock that makes one process the only writer of a log."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from events.errors import LogLockedError

if sys.platform == "win32":
    import msvcrt

    _BEYOND = 1 << 30
    """The byte that is locked lies behind the text, so that others can read who holds the lock."""

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """Held from construction until `close`, or until the process ends; children do not inherit it."""

    def __init__(self, path: Path) -> None:
        """Raises LogLockedError, which names the process that holds the lock."""
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            _try_lock(self._descriptor)
        except OSError:
            os.close(self._descriptor)
            raise LogLockedError(str(path), holder(path)) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        """Let the next writer in."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def holder(path: Path) -> int | None:
    """The pid that the lock's holder wrote; None where there is none."""
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None

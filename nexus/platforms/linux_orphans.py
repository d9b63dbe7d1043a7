"""Whoever loses its parent below us becomes our child: so what a run left behind is found, and no zombie stays."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import ctypes
import os
from collections.abc import Set as AbstractSet

from nexus.platforms.linux_tree import look

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> bool:
    """Have the kernel give us every process below us whose parent ends; whether they can be listed."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return os.path.exists(_children_file())


def children() -> set[int]:
    """The pids of our children, zombies too; empty on a kernel that does not list them."""
    try:
        with open(_children_file(), "rb") as file:
            return {int(pid) for pid in file.read().split()}
    except FileNotFoundError:
        return set()


def reap(pid: int, options: int = os.WNOHANG) -> int | None:
    """The wait status of a child of ours that has ended, else None."""
    try:
        ended, status = os.waitpid(pid, options)
    except ChildProcessError:  # it was started by an earlier supervisor
        return None
    return status if ended else None


class Zombies:
    """Reaps the orphans that have ended.

    A zombie may be a child that other code here is about to wait for: only the second look at the same one reaps it.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def look(self, but: AbstractSet[int]) -> None:
        """Reap what was a zombie at the last look too, `but` those that are waited for."""
        ended = {pid for pid in children() - but if (process := look(pid)) is not None and process.zombie}
        for pid in ended & self._seen:
            reap(pid)
        self._seen = ended - self._seen


def _children_file() -> str:
    return f"/proc/self/task/{os.getpid()}/children"

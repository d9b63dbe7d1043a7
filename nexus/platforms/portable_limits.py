"""Limits of processes that run, as far as psutil knows how: priority, and processors where the system has them."""

from __future__ import annotations

import sys
from typing import Any

import psutil

from events.catalog import Limits, Priority, Rejected

NICE: dict[Priority, int] = {"high": -5, "normal": 0, "low": 10}
CLASSES: dict[Priority, str] = {
    "high": "ABOVE_NORMAL_PRIORITY_CLASS", "normal": "NORMAL_PRIORITY_CLASS", "low": "BELOW_NORMAL_PRIORITY_CLASS",
}  # fmt: skip
"""What psutil calls the priority classes of Windows."""


class PortableLimiter:
    """Limits of resources other than these can't be set from outside."""

    def apply(self, pid: int, limits: Limits) -> tuple[tuple[str, ...], tuple[Rejected, ...]]:
        """Limit a process and everything that it started."""
        try:
            root = psutil.Process(pid)
            tree: list[Any] = [root, *root.children(recursive=True)]
        except psutil.Error:
            return (), ()
        priority: Any = getattr(psutil, CLASSES[limits.priority], NICE[limits.priority])
        done = [_tried(f"priority {limits.priority}", lambda: [it.nice(priority) for it in tree])]
        if limits.cpus:
            cpus = list(limits.cpus)
            done.append(_tried(f"processors {cpus}", lambda: [it.cpu_affinity(cpus) for it in tree]))
        for what, value in (("open files", limits.open_files), ("processes of its user", limits.processes)):
            if value is not None:
                done.append(Rejected(f"{what} {value}", f"{sys.platform} can't limit a process that runs"))
        refused = tuple(it for it in done if isinstance(it, Rejected))
        return tuple(it for it in done if isinstance(it, str)), refused


def _tried(what: str, act: Any) -> str | Rejected:
    try:
        act()
    except (psutil.Error, OSError, AttributeError, ValueError) as error:
        return Rejected(what, str(error) or type(error).__name__)
    return what

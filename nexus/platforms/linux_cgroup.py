"""Control groups: which limits hold for this process, whichever version of them the machine has."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import contextlib
import math
import os
from functools import cache
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60
"""Version 1 says so with a number near 2^63."""


@cache
def group(controller: str, root: Path = ROOT, own: Path = Path("/proc/self/cgroup")) -> Path | None:
    """The directory of our control group for a controller such as `memory`; the unified hierarchy is asked first."""
    with contextlib.suppress(OSError):
        for line in sorted(own.read_text("utf-8").splitlines()):
            _, names, path = line.split(":", 2)
            if names and controller not in names.split(","):
                continue
            base = root / controller if names else root
            for found in (base / path.lstrip("/"), base):
                # Inside a container the path is often the host's, and what is mounted is our own group.
                if (found / "cgroup.procs").exists() and (names or controller in _controllers(found)):
                    return found
    return None


def _controllers(found: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return (found / "cgroup.controllers").read_text("utf-8").split()
    return []


def _number(controller: str, *names: str) -> list[int]:
    """The numbers in the first of these files that there is; none for `max`."""
    found = group(controller)
    for name in names if found else ():
        with contextlib.suppress(OSError, ValueError):
            return [int(it) for it in ((found or ROOT) / name).read_text("utf-8").split()]
    return []


def memory_limit_bytes() -> int | None:
    """How much memory this control group may have, None for as much as there is."""
    limit = _number("memory", "memory.max", "memory.limit_in_bytes")
    return limit[0] if limit and limit[0] < UNLIMITED else None


def cores() -> int:
    """How many cores we may use at once: by affinity and by the quota of our control group."""
    allowed = len(os.sched_getaffinity(0))
    quota = _number("cpu", "cpu.max") or [*_number("cpu", "cpu.cfs_quota_us"), *_number("cpu", "cpu.cfs_period_us")]
    if len(quota) == 2 and quota[0] > 0 and quota[1] > 0:
        return max(1, min(allowed, math.ceil(quota[0] / quota[1])))
    return allowed

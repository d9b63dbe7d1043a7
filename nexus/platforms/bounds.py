"""What a process may use of the machine before the system ends it."""

from __future__ import annotations

import contextlib
import os
import sys

NICENESS = 10


def bound_self(memory_bytes: int, cpu_seconds: int) -> None:
    """Let this process have at most so much memory and processor time, after all others; Windows has no such bounds."""
    if sys.platform != "win32":
        import resource

        for what, limit in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, cpu_seconds)):
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(what, (limit, limit))
        os.nice(NICENESS)

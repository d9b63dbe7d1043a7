"""What this process may use of the machine."""

from __future__ import annotations

import sys


def limits() -> dict[str, int | None]:
    """How many files and processes this user may have, None for as many as there are; empty where nothing says so."""
    if sys.platform == "win32":
        return {}
    else:  # noqa: RET505 - mypy leaves it out elsewhere
        import resource

        found = {"open files": resource.RLIMIT_NOFILE, "processes": resource.RLIMIT_NPROC}
        soft = {name: resource.getrlimit(number)[0] for name, number in found.items()}
        return {name: None if limit == resource.RLIM_INFINITY else limit for name, limit in soft.items()}

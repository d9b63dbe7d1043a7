"""The names of the runs that were begun in a home: each has a file, whose first line says `run POSITION INSTANCE`."""

from __future__ import annotations

import contextlib
from pathlib import Path

from events.envelope import Position


def begun(runs: Path) -> dict[Position, str]:
    """Every run with a file in `runs`, with its instance; a file without its first line never became a run."""
    found: dict[Position, str] = {}
    for path in sorted(runs.iterdir()):
        with contextlib.suppress(OSError, ValueError), path.open(encoding="utf-8", errors="replace") as file:
            word, _, rest = file.readline().strip().partition(" ")
            name, _, instance = rest.partition(" ")
            if word == "run" and instance and name == path.name:
                found[int(name)] = instance
    return found

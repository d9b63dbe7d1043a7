"""Notices that nexus.toml was saved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from events.catalog import ConfigurationRefused
from events.envelope import Draft

LOOK_SECONDS = 1.0


async def watch_file(
    file: Path, changed: Callable[[], Awaitable[str]], post: Callable[[Draft], None], seconds: float = LOOK_SECONDS
) -> None:
    """Look again and again; `changed` applies what was saved and returns why it could not, which is posted."""
    known = _stamp(file)
    while True:
        await asyncio.sleep(seconds)
        seen = _stamp(file)
        if seen != known and seen is not None:
            problem = await changed()
            if problem:
                post(Draft(ConfigurationRefused(problem=problem)))
        known = seen or known


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """What changes when a file is saved; None while it is not there, as an editor may have it for a moment."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

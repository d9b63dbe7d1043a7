"""Notices that the wall clock was stepped against the monotonic one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from events.catalog import ClockStepped
from events.envelope import Draft

LOOK_EVERY_SECONDS = 10.0
STEP_SECONDS = 2.0


async def watch_clock(post: Callable[[Draft], None], step_seconds: Callable[[], float]) -> None:
    """Post a ClockStepped whenever the difference grows by more than two seconds; runs until cancelled."""
    told = 0.0
    while True:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        step = step_seconds()
        if abs(step - told) > STEP_SECONDS:
            post(Draft(ClockStepped(by_seconds=round(step - told, 3))))
            told = step

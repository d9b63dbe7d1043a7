"""The mailbox of a real supervisor: sensors post from any thread, the controller waits in its loop."""

from __future__ import annotations

import asyncio
import threading

from events.envelope import Draft, Micros
from nexus.platforms.base import Clock


class AsyncMailbox:
    """Observations in the order in which they were left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left: list[Draft] = []
        self._guard = threading.Lock()
        self._awake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def post(self, draft: Draft) -> None:
        """Leave an observation; safe from any thread."""
        with self._guard:
            self._left.append(draft)
            loop = self._loop
        if loop is None:
            return
        if threading.get_ident() == self._thread:
            self._awake.set()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(self._awake.set)

    async def wait(self, until: Micros | None) -> list[Draft]:
        """Everything left since the last call; sleeps until there is something, or until `until`."""
        with self._guard:
            self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        while not (left := self._take()) and await self._sleep(until):
            continue
        return left or self._take()

    def _take(self) -> list[Draft]:
        with self._guard:
            self._awake.clear()
            left, self._left = self._left, []
        return left

    async def _sleep(self, until: Micros | None) -> bool:
        """Whether something woke us in time; it may have been taken already: threads post first, then wake us."""
        timeout = None if until is None else max(0, until - self._clock.now()) / 1e6
        try:
            async with asyncio.timeout(timeout):
                return await self._awake.wait()
        except TimeoutError:
            return False

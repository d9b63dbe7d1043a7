"""The end of the log as it grows: one reader for everybody, the present state, and the latest events ready to send."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil

from events.envelope import Position, Recorded
from events.reader import Reader, Stored
from nexus.http import shown
from projections.history import History
from projections.state import State, evolve
from projections.supervisor import Supervisor

KEPT = 20_000
PAGE = 2_000
QUICK_SECONDS = 0.02
SLOW_SECONDS = 0.1
SECONDS_A_LISTENER = 0.00012
"""Many listeners are told less often, so that each is told in time."""

IDLE_SECONDS = 1.0
BEAT_SECONDS = 5.0
LOOK_SECONDS = 0.25
ALIVE_SECONDS = 1.0

logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Frame(msgspec.Struct, frozen=True, gc=False):
    """An event ready to be sent: as JSON, and as an event of an SSE stream whose id is its position."""

    seq: Position
    kind: str
    stream: str
    json: bytes

    @property
    def sse(self) -> bytes:
        """The event for an SSE stream."""
        return b"id: %d\ndata: %b\n\n" % (self.seq, self.json)


def frame(stored: Stored) -> Frame:
    """A stored event ready to be sent."""
    return Frame(stored.seq, stored.kind, stored.stream, _encode(shown.event(stored)))


class Tail:
    """`state` is the present one; `frames` are the latest events, the oldest first."""

    def __init__(self, home: Path) -> None:
        self.home, self.history = home, History(home)
        self.reader: Reader = self.history.reader
        self.state = State()
        self.frames: list[Frame] = []
        self.alive = False
        self.closing = False
        self.listeners = 0
        self.beats = 0
        self._oldest = 0
        self.moved = asyncio.Event()
        """Set, and replaced, once there is something new, a beat is due, or it is time to say goodbye."""
        self._asked = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "tail")
        self._turn = asyncio.Lock()
        self._next_look: asyncio.Task[None] | None = None
        self._checked_at = float("-inf")
        self._beat_at = time.monotonic()

    @property
    def head(self) -> Position:
        """The position of the last event."""
        return self.state.seq

    # -- one life ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Learn the present state."""
        loop = asyncio.get_running_loop()
        self.state = await loop.run_in_executor(self._thread, self.history.at)
        self._oldest = self.state.seq

    async def run(self) -> None:
        """Follow the log until cancelled; a log that can't be read at the moment is tried again."""
        while True:
            try:
                await self.sync()
            except Exception:
                logger.exception("the log could not be followed; it is tried again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_seconds()):
                    await self._asked.wait()
            self._asked.clear()
            if time.monotonic() - self._beat_at >= BEAT_SECONDS:
                self._beat_at = time.monotonic()
                self.beats += 1
                self._wake()

    def close(self) -> None:
        """Let everybody who listens say goodbye."""
        self.closing = True
        self._wake()

    def _pause_seconds(self) -> float:
        if not self.listeners:
            return IDLE_SECONDS
        return min(SLOW_SECONDS, max(QUICK_SECONDS, self.listeners * SECONDS_A_LISTENER))

    # -- following -----------------------------------------------------------------------------

    async def sync(self) -> None:
        """Take in everything that is recorded by now; all who ask while one look is under way share the next one."""
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look())
        await asyncio.shield(self._next_look)

    async def _look(self) -> None:
        async with self._turn:
            self._next_look = None
            loop = asyncio.get_running_loop()
            while True:
                found = await loop.run_in_executor(self._thread, self._news, self.state.seq)
                self._take(found)
                if len(found) < PAGE:
                    break
            if time.monotonic() - self._checked_at > ALIVE_SECONDS:
                self._checked_at = time.monotonic()
                alive = is_alive(self.state.supervisor)
                if alive != self.alive:
                    self.alive = alive
                    self._wake()

    def _news(self, after: Position) -> list[tuple[Recorded, Frame]]:
        rows = self.reader.rows(after, limit=PAGE)
        return [(stored.recorded, frame(stored)) for stored in rows]

    def _take(self, found: list[tuple[Recorded, Frame]]) -> None:
        if not found:
            return
        for recorded, _ in found:
            self.state = evolve(self.state, recorded)
        self.frames += [ready for _, ready in found]
        if len(self.frames) > 2 * KEPT:
            self._oldest = self.frames[-KEPT - 1].seq
            del self.frames[:-KEPT]
        self._wake()

    def _wake(self) -> None:
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While somebody listens, the log is looked at often."""
        self.listeners += 1
        self._asked.set()
        try:
            yield
        finally:
            self.listeners -= 1

    async def wait_for(self, condition: Callable[[State], bool], seconds: float) -> bool:
        """Whether the condition, which may depend on the time, came true of the present state in time."""
        deadline = time.monotonic() + seconds
        with self.listening():
            while not (done := condition(self.state)) and not self.closing and time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(LOOK_SECONDS, deadline - time.monotonic())):
                        await self.moved.wait()
        return done

    # -- reading -------------------------------------------------------------------------------

    async def after(self, seq: Position) -> list[Frame]:
        """What comes next after a position: from memory, or a page from the log for somebody who is far behind."""
        if seq >= self.head:
            return []
        if seq >= self._oldest:
            return self.frames[bisect_right(self.frames, seq, key=lambda it: it.seq) :]
        return await asyncio.to_thread(lambda: [frame(it) for it in self.reader.rows(seq, self.head, limit=PAGE)])


def is_alive(supervisor: Supervisor) -> bool:
    """Whether the process of a supervisor is there; a later one of the same number is another."""
    try:
        process = psutil.Process(supervisor.pid) if supervisor.pid else None
        return (
            process is not None
            and process.create_time() * 1_000_000 <= supervisor.started_at
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False

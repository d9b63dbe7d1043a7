"""Looks into the past, in a process of their own: however far back somebody looks, the present is answered at once."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec

from events.envelope import Position
from nexus.http.operation import Asked
from nexus.http.problems import Problem, ProblemDocument
from nexus.http.queries import Known
from projections.history import History
from projections.state import State

WAITING_MAX = 16
IDLE_SECONDS = 60.0
PATIENCE_SECONDS = 60.0

Answer = tuple[bytes, ProblemDocument | None]


class Past:
    """Answers questions about a moment; the reader process is started when it is needed, and ends when it is not."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._pool: ProcessPoolExecutor | None = None
        self._waiting = 0
        self._retire: asyncio.TimerHandle | None = None

    async def answer(self, name: str, seq: Position, asked: Asked[msgspec.Struct, msgspec.Struct]) -> bytes:
        """The JSON answer of the operation `name` as of position `seq`; raises Problem."""
        if self._waiting >= WAITING_MAX:
            raise _busy(f"{self._waiting} questions that wait already")
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                body, problem = await self._ask(name, seq, asked)
        except TimeoutError:
            raise _busy(f"no answer within {PATIENCE_SECONDS:g} s") from None
        finally:
            self._waiting -= 1
        if problem is not None:
            raise Problem(problem.status, problem.thing, problem.expected, problem.found, problem.next_step)
        return body

    async def _ask(self, name: str, seq: Position, asked: Asked[msgspec.Struct, msgspec.Struct]) -> Answer:
        loop = asyncio.get_running_loop()
        if self._retire:
            self._retire.cancel()
        self._retire = loop.call_later(IDLE_SECONDS, self.close)
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=_begin)
        try:
            return await loop.run_in_executor(self._pool, answer, str(self.home), name, seq, asked)
        except BrokenProcessPool:
            self.close()
            raise _busy("a reader process that ended unexpectedly") from None

    def close(self) -> None:
        """End the reader process."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _busy(found: str) -> Problem:
    return Problem(503, "looks into the past", "one at a time", found, "Try again.", {"Retry-After": "2"})


# -- in the reader process -------------------------------------------------------------------------


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@functools.cache
def _history(home: str) -> History:
    return History(Path(home))


@functools.lru_cache(maxsize=8)
def _state(home: str, seq: Position) -> State:
    return _history(home).at(seq) if seq else State()


def answer(home: str, name: str, seq: Position, asked: Asked[msgspec.Struct, msgspec.Struct]) -> Answer:
    """The answer of an operation as of `seq`, or its problem."""
    from nexus.http.operations import BY_NAME

    state = _state(home, seq)
    known = Known(state, _history(home).reader, Path(home), state.at, alive=True)
    handler = BY_NAME[name].handler
    assert callable(handler), "only pure questions are asked about the past"
    try:
        found = handler(known, asked)
        return found if isinstance(found, bytes) else msgspec.json.encode(found), None
    except Problem as problem:
        return b"", problem.document

"""Waiting for something in the world to become true: the only place in the tests that sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]

PAUSE_SECONDS = 0.005


def until(condition: Callable[[], T], timeout_seconds: float = 10.0, what: str = "", despite: Errors = ()) -> T:
    """The first true value of `condition`; an error named by `despite` counts as a false one.

    Raises AssertionError that names what did not come and what was seen last.
    """
    waiting = _Waiting(condition, timeout_seconds, what, despite)
    while not waiting.is_over():
        time.sleep(PAUSE_SECONDS)
    return waiting.found


async def until_async(
    condition: Callable[[], T], timeout_seconds: float = 10.0, what: str = "", despite: Errors = ()
) -> T:
    """The same for a test that shares its event loop with what it waits for."""
    waiting = _Waiting(condition, timeout_seconds, what, despite)
    while not waiting.is_over():  # noqa: ASYNC110 - there is no event for what the world does
        await asyncio.sleep(PAUSE_SECONDS)
    return waiting.found


class _Waiting(Generic[T]):
    found: T

    def __init__(self, condition: Callable[[], T], timeout_seconds: float, what: str, despite: Errors) -> None:
        self.condition, self.timeout_seconds, self.despite = condition, timeout_seconds, despite
        self.what = what or getattr(condition, "__qualname__", repr(condition))
        self.deadline = time.monotonic() + timeout_seconds

    def is_over(self) -> bool:
        try:
            self.found = self.condition()
        except self.despite as error:
            return self._missed(error)
        return bool(self.found) or self._missed(self.found)

    def _missed(self, seen: object) -> bool:
        problem = f"waited {self.timeout_seconds:g} s in vain for {self.what}; last seen: {seen!r}"
        assert time.monotonic() < self.deadline, problem
        return False

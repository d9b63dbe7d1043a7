"""Waiting for something in the world to become true: the only place in the tests that sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.005


def until(condition: Callable[[], T], timeout_seconds: float = 10.0, what: str = "") -> T:
    """The first true value of `condition`; raises AssertionError that names what did not come."""
    deadline = time.monotonic() + timeout_seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, _missed(condition, timeout_seconds, what, found)
        time.sleep(PAUSE_SECONDS)
    return found


async def until_async(condition: Callable[[], T], timeout_seconds: float = 10.0, what: str = "") -> T:
    """The same for a test that shares its event loop with what it waits for."""
    deadline = time.monotonic() + timeout_seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, _missed(condition, timeout_seconds, what, found)
        await asyncio.sleep(PAUSE_SECONDS)
    return found


def _missed(condition: Callable[[], T], timeout_seconds: float, what: str, found: T) -> str:
    name = what or getattr(condition, "__qualname__", repr(condition))
    return f"waited {timeout_seconds:g} s in vain for {name}; last seen: {found!r}"

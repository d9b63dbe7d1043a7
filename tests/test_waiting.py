"""Waiting ends with what came, or says what did not."""

from __future__ import annotations

import asyncio

import pytest

from tests.waiting import until, until_async


def test_it_returns_the_first_true_value() -> None:
    """A value that comes later is waited for and handed back."""
    values = iter([None, 0, "here"])
    assert until(lambda: next(values)) == "here"


def test_it_names_what_did_not_come() -> None:
    """The failure says what was waited for, how long, and what was seen last."""
    with pytest.raises(AssertionError, match=r"waited 0\.01 s in vain for the port to be free; last seen: 0"):
        until(lambda: 0, timeout_seconds=0.01, what="the port to be free")


async def test_the_event_loop_goes_on_meanwhile() -> None:
    """Waiting inside an event loop leaves it to others."""
    came: list[int] = []
    asyncio.get_running_loop().call_later(0.01, came.append, 1)
    assert await until_async(lambda: came) == [1]


def test_errors_may_be_asked_again() -> None:
    """Where it is said so, an error is as good as a value that is not there yet; any other one is raised."""
    divisors = iter([0, 0, 2])
    assert until(lambda: 1 / next(divisors), despite=ZeroDivisionError) == 0.5
    with pytest.raises(ZeroDivisionError):
        until(lambda: 1 / 0, despite=OSError)


def test_the_last_error_is_told() -> None:
    """What was in the way last is part of the message."""
    with pytest.raises(AssertionError, match="last seen: ZeroDivisionError"):
        until(lambda: 1 / 0, timeout_seconds=0.01, despite=ArithmeticError)

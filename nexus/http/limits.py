"""How much one caller may ask for: rates, sizes and open streams."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from starlette.types import Message, Receive

from nexus.http.problems import Problem

BODY_BYTES_MAX = 65_536
HEADER_BYTES_MAX = 16_384
HEADERS_MAX = 64
URL_BYTES_MAX = 8_192
STREAMS_MAX = 1_000
KEYS_MAX = 1_000


class Rate:
    """A token bucket for each key: `per_second` in the long run, `burst` at once."""

    def __init__(self, per_second: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self.burst, self.now = per_second, burst, now
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> float:
        """Take one; 0.0 where there was one, otherwise after how many seconds there will be."""
        now = self.now()
        left, at = self._left.pop(key, (self.burst, now))
        left = min(self.burst, left + (now - at) * self.per_second)
        wait_seconds = 0.0 if left >= 1.0 else (1.0 - left) / self.per_second
        self._left[key] = (left - (not wait_seconds), now)
        if len(self._left) > KEYS_MAX:
            self._left.pop(next(iter(self._left)))
        return wait_seconds

    def check(self, key: str, what: str) -> None:
        """Take one; raises Problem 429."""
        wait_seconds = self.take(key)
        if wait_seconds:
            raise Problem(
                429, what, f"at most {self.per_second:g} a second, {self.burst:g} at once", "more than that",
                f"Try again in {math.ceil(wait_seconds)} s.", {"Retry-After": str(math.ceil(wait_seconds))},
            )  # fmt: skip


class Streams:
    """The streams that are open now."""

    def __init__(self, limit: int = STREAMS_MAX) -> None:
        self.limit, self.open = limit, 0
        self.none = asyncio.Event()
        """Set while there is none."""
        self.none.set()

    def check(self) -> None:
        """Raises Problem 503 where there are too many."""
        if self.open >= self.limit:
            raise Problem(
                503, "the live feed", f"at most {self.limit} open streams", f"{self.open}",
                "Close one, or read /api/events instead.", {"Retry-After": "5"},
            )  # fmt: skip

    def __enter__(self) -> None:
        """Count one more."""
        self.open += 1
        self.none.clear()

    def __exit__(self, *_: object) -> None:
        """Count one less."""
        self.open -= 1
        if not self.open:
            self.none.set()


def check_head(headers: list[tuple[bytes, bytes]], path: bytes, query: bytes) -> None:
    """Refuse a request whose head is too large; raises Problem 414 or 431."""
    if len(path) + len(query) > URL_BYTES_MAX:
        raise Problem(
            414, "the URL", f"at most {URL_BYTES_MAX} bytes", f"{len(path) + len(query)}", "Ask for less at once."
        )
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > HEADERS_MAX or size > HEADER_BYTES_MAX:
        raise Problem(
            431, "the headers", f"at most {HEADERS_MAX} with {HEADER_BYTES_MAX} bytes", f"{len(headers)} with {size}",
            "Send fewer.",
        )  # fmt: skip


def _too_large(found: str) -> Problem:
    return Problem(
        413, "the body", f"at most {BODY_BYTES_MAX} bytes", found, "Send less.", {"Connection": "close"}
    )  # fmt: skip


def check_length(length: str) -> None:
    """Refuse a body by its Content-Length; raises Problem 400 or 413."""
    if not (length.isascii() and length.isdigit()):
        raise Problem(400, "Content-Length", "a number", f"{length[:40]!r}", "Mend the request.")
    if int(length) > BODY_BYTES_MAX:
        raise _too_large(length)


def counted(receive: Receive) -> Receive:
    """The same body; raises Problem 413 once it is too large, also where no length was announced."""
    read_bytes = 0

    async def count() -> Message:
        nonlocal read_bytes
        message = await receive()
        if message["type"] == "http.request":
            read_bytes += len(message.get("body", b""))
            if read_bytes > BODY_BYTES_MAX:
                raise _too_large("more")
        return message

    return count

"""The live feed as a client reads it: blocks of an SSE stream, the position reached, and when to try again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import httpx
import msgspec

from events.envelope import Position
from nexus.client.calls import Call, query_of
from nexus.client.place import CONNECT_SECONDS
from nexus.client.problems import GapError, UnreachableError
from nexus.http.shown import EventView

PATH = "/events"
SILENCE_SECONDS = 20.0
"""The server beats every five seconds: whoever is silent for longer is gone."""

AGAIN_SECONDS, AGAIN_SECONDS_MAX = 0.2, 5.0
BUSY = (429, 503)

OnGap = Callable[[GapError], None]
_event = msgspec.json.Decoder(EventView)


class _Gap(msgspec.Struct, frozen=True):
    first: Position
    last: Position
    reason: str


class Feed:
    """One reading of the feed over any number of connections; `after` is the last position that it has seen."""

    def __init__(self, after: Position | None, asked: Mapping[str, object], on_gap: OnGap | None) -> None:
        self.after, self.asked, self.on_gap = after, asked, on_gap
        self.timeout = timeout(SILENCE_SECONDS)
        self._rest = b""
        self._connected = False
        self._failures = 0

    def query(self) -> dict[str, str]:
        """The query of the next connection, which begins anew."""
        self._rest = b""
        return query_of({**self.asked, "after": self.after})

    def read(self, piece: bytes) -> Iterator[EventView]:
        """The events that `piece` completes; raises GapError unless somebody else is told."""
        self._connected, self._failures = True, 0
        *blocks, self._rest = (self._rest + piece).split(b"\n\n")
        for block in blocks:
            fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
            if b"id" in fields:
                self.after = int(fields[b"id"])
            if b"data" in fields and b"event" not in fields:
                yield _event.decode(fields[b"data"])
            elif fields.get(b"event") == b"gap":
                self._gap(msgspec.json.decode(fields[b"data"], type=_Gap))

    def _gap(self, found: _Gap) -> None:
        gap = GapError(found.first, found.last, found.reason, self.after or 0)
        if self.on_gap is None:
            raise gap
        self.on_gap(gap)

    def refused(self, status: int, content: bytes) -> None:
        """Raises RefusedError: nobody gets better by asking again."""
        Call(EventView, PATH).read(status, content)

    def ended(self, error: Exception | None = None) -> float:
        """After how many seconds to try again; raises UnreachableError where nobody has ever answered."""
        if error is not None and not self._connected:
            raise UnreachableError(f"the live feed: {error}") from error
        self._failures += 1
        return min(AGAIN_SECONDS_MAX, AGAIN_SECONDS * 2.0 ** min(self._failures - 1, 10))


def timeout(patience_seconds: float) -> httpx.Timeout:
    """How long to wait for an answer, or for the next piece of one."""
    return httpx.Timeout(patience_seconds, connect=CONNECT_SECONDS)

"""The live feed: events as they are recorded, over SSE and WebSocket, resumed from any position.

Nobody has a queue: a client is a position in the log, and a slow one is simply further behind. A `hello` says where
the stream begins, a `gap` which positions can't be read any more, a `supervisor` whether one runs, a `bye` that the
server ends; a beat repeats the position, so that a client which filters resumes without looking at all again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated

import anyio
import msgspec
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from events.envelope import Position
from nexus.http.limits import Streams
from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.http.tail import Frame, Tail

SEND_SECONDS = 15.0
GOODBYE_SECONDS = 2.0
RETRY_MILLISECONDS = 1_000
SUBPROTOCOL = "nexus"
SHARED_MAX = 500
"""Longer pieces belong to clients that catch up, each at its own place."""

_encode = msgspec.json.Encoder().encode


class FeedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events: after a position (by default only new ones), of a kind, of a service, of a stream."""

    after: (
        Annotated[int, msgspec.Meta(ge=0, le=10**12, description="Begin after this position; 0 is the beginning.")]
        | None
    ) = None
    kind: Annotated[str, msgspec.Meta(description="run.exited, or run for all of run.*; several with commas.")] = ""
    service: Annotated[str, msgspec.Meta(description="Only what is about this service.")] = ""
    stream: Annotated[str, msgspec.Meta(description="Only this stream: nexus, service/NAME or port/NUMBER.")] = ""

    def streams(self) -> tuple[str, ...]:
        """The streams that are wanted; none means all."""
        wanted = [self.stream, f"service/{self.service}" if self.service else ""]
        return tuple(stream for stream in wanted if stream)


class Hello(msgspec.Struct, frozen=True, tag_field="control", tag="hello"):
    """The stream begins after `after`; the log ends at `head` now."""

    after: Position
    head: Position
    supervisor_alive: bool


class Gap(msgspec.Struct, frozen=True, tag_field="control", tag="gap"):
    """The positions `first` to `last` can't be read any more, or are not there (yet) at all."""

    first: Position
    last: Position
    reason: str


class SupervisorSeen(msgspec.Struct, frozen=True, tag_field="control", tag="supervisor"):
    """Whether a supervisor runs changed."""

    alive: bool


class Beat(msgspec.Struct, frozen=True, tag_field="control", tag="beat"):
    """Nothing that is wanted happened up to `after`."""

    after: Position


class Bye(msgspec.Struct, frozen=True, tag_field="control", tag="bye"):
    """The server ends; resume after `after` with the next one."""

    after: Position


Control = Hello | Gap | SupervisorSeen | Beat | Bye


class Piece(msgspec.Struct, frozen=True):
    """What is sent at once; a client that has it is at position `after`."""

    after: Position
    frames: list[Frame] = []
    control: Control | None = None

    def sse(self) -> bytes:
        """The piece for an SSE stream; control events have a name, so that nobody takes them for events."""
        if self.control is None:
            return b"".join([it.sse for it in self.frames])
        if isinstance(self.control, Beat):
            return b"id: %d\n: beat\n\n" % self.after
        name = str(type(self.control).__struct_config__.tag).encode()
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (self.after, name, _encode(self.control))

    def messages(self) -> list[str]:
        """The piece for a WebSocket: a message for each event, a control message has the field `control`."""
        if self.control is None:
            return [it.json.decode() for it in self.frames]
        return [_encode(self.control).decode()]


class Feed:
    """All streams of one server."""

    def __init__(self, tail: Tail, streams: Streams) -> None:
        self.tail, self.streams = tail, streams
        self._ready: dict[tuple[Position, Position, FeedQuery], bytes] = {}
        self._ready_at: Position = 0

    async def pieces(self, asked: FeedQuery, after: Position | None) -> AsyncIterator[Piece]:
        """From `after` on, without an end, until the server says goodbye."""
        tail = self.tail
        await tail.sync()
        cursor = tail.head if after is None else after
        wanted, beats, alive = _filter(asked), tail.beats, tail.alive
        yield Piece(min(cursor, tail.head), control=Hello(min(cursor, tail.head), tail.head, alive))
        if cursor > tail.head:
            yield Piece(tail.head, control=Gap(tail.head + 1, cursor, "the log ends before that position"))
            cursor = tail.head
        while not tail.closing:
            moved = tail.moved
            page = await tail.after(cursor)
            if page:
                if page[0].seq > cursor + 1:
                    yield Piece(page[0].seq - 1, control=Gap(cursor + 1, page[0].seq - 1, "the log has lost them"))
                cursor = page[-1].seq
                frames = page if wanted is None else [it for it in page if wanted(it)]
                if frames:
                    yield Piece(cursor, frames)
                continue
            if alive != tail.alive:
                alive = tail.alive
                yield Piece(cursor, control=SupervisorSeen(alive))
            if beats != tail.beats:
                beats = tail.beats
                yield Piece(cursor, control=Beat(cursor))
            await moved.wait()
        yield Piece(cursor, control=Bye(cursor))

    # -- SSE -----------------------------------------------------------------------------------

    async def _sse(self, asked: FeedQuery, after: Position | None) -> AsyncIterator[bytes]:
        with self.streams, self.tail.listening():
            yield b"retry: %d\n\n" % RETRY_MILLISECONDS
            async for piece in self.pieces(asked, after):
                yield self._joined(asked, piece)

    def _joined(self, asked: FeedQuery, piece: Piece) -> bytes:
        """The bytes of a piece, made once for all clients that are at the same place and want the same."""
        if piece.control is not None or len(piece.frames) > SHARED_MAX:
            return piece.sse()
        if self._ready_at != self.tail.head:
            self._ready.clear()
            self._ready_at = self.tail.head
        key = (piece.frames[0].seq, piece.after, asked)
        found = self._ready.get(key)
        if found is None:
            found = self._ready[key] = piece.sse()
        return found

    def respond(self, asked: Asked[Nothing, FeedQuery], headers: Headers) -> Response:
        """The answer to a request for the stream; raises Problem 400 or 503."""
        self.streams.check()
        after = asked.query.after
        last = headers.get("last-event-id", "")
        if last:
            if not (last.isascii() and last.isdigit()):
                raise Problem(400, "the Last-Event-ID header", "a position", repr(last)[:100], "Send the last id.")
            after = int(last)
        return FeedResponse(
            self._sse(asked.query, after),
            ping=0,
            sep="\n",
            send_timeout=SEND_SECONDS,
            shutdown_event=anyio.Event(),
            shutdown_grace_period=GOODBYE_SECONDS,
        )

    # -- WebSocket -----------------------------------------------------------------------------

    async def serve(self, socket: WebSocket, asked: FeedQuery) -> None:
        """The same over a WebSocket; what the client sends is not looked at."""
        self.streams.check()
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        with self.streams, self.tail.listening():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, socket, tasks.cancel_scope)
                async for piece in self.pieces(asked, asked.after):
                    if not await _sent(socket, piece):
                        break
                tasks.cancel_scope.cancel()
        if self.tail.closing:
            await socket.close(1001, "the server ends")


class FeedResponse(EventSourceResponse):
    """A stream that ends without noise when its client does not take what it is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until either side ends it."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            scope["state"]["drop"]()


async def _sent(socket: WebSocket, piece: Piece) -> bool:
    """Whether the client took the piece; one that does not is let go."""
    with anyio.move_on_after(SEND_SECONDS):
        for message in piece.messages():
            await socket.send_text(message)
        return True
    socket.scope["state"]["drop"]()
    return False


async def _until_gone(socket: WebSocket, scope: anyio.CancelScope) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
    scope.cancel()


def _filter(asked: FeedQuery) -> Callable[[Frame], bool] | None:
    """Whether an event is wanted; None where all are."""
    kinds = tuple(kind.strip() for kind in asked.kind.split(",") if kind.strip())
    streams = asked.streams()
    if not kinds and not streams:
        return None

    def wanted(it: Frame) -> bool:
        family = it.kind.partition(".")[0]
        return (not kinds or it.kind in kinds or family in kinds) and all(it.stream == one for one in streams)

    return wanted

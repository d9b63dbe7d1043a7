"""A server that answers as no well-meaning one would, and one that answers well: real sockets, raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.registry.samples import Json, raw

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
CHUNK = b"x" * 65_536


def head(status: str = "200 OK", media_type: str = "application/json", more: str = "") -> bytes:
    """The head of an answer."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\n{more}Connection: close\r\n\r\n".encode()


def said(body: bytes, status: str = "200 OK", media_type: str = "application/json") -> Answer:
    """A whole answer."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head(status, media_type, f"Content-Length: {len(body)}\r\n") + body)

    return answer


def document(content: Json) -> Answer:
    """A document, as it should be served."""
    return said(raw(content))


async def endless(writer: asyncio.StreamWriter) -> None:
    """A gigabyte, as fast as it is taken."""
    writer.write(head() + b'{"openapi": "3.1.0", "x": "')
    for _ in range(16_384):
        writer.write(CHUNK)
        await writer.drain()


async def drip(writer: asyncio.StreamWriter) -> None:
    """A byte now and then, for ever."""
    writer.write(head() + b'{"openapi": "3.1.0", "x": "')
    for _ in range(10_000):
        writer.write(b".")
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.05)


async def silent(_: asyncio.StreamWriter) -> None:
    """Nothing at all."""
    await asyncio.Event().wait()


async def moved(writer: asyncio.StreamWriter) -> None:
    """Elsewhere, and from there elsewhere again."""
    writer.write(head("302 Found", more="Location: /openapi.json\r\nContent-Length: 0\r\n"))


async def garbage(writer: asyncio.StreamWriter) -> None:
    """Something that is not HTTP."""
    writer.write(b"-ERR unknown command 'GET'\r\n" * 3)


class Server:
    """Answers by path; `asked` are the paths that were asked for."""

    def __init__(self, answers: dict[str, Answer], otherwise: Answer | None = None) -> None:
        self.answers = answers
        self.otherwise = otherwise or said(b"{}", "404 Not Found")
        self.asked: list[str] = []
        self.port = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = request.split(" ")[1].partition("?")[0]
            self.asked.append(path)
            await self.answers.get(path, self.otherwise)(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serving(answers: dict[str, Answer], otherwise: Answer | None = None) -> AsyncIterator[Server]:
    """A server for the length of a block."""
    server = Server(answers, otherwise)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(server._serve(reader, writer)))

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

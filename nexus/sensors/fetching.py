"""One GET to a port of our own, whoever answers there: bounded in time and size, and never led elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

import h11
import msgspec

from nexus.registry.parsing import BYTES_MAX

SECONDS_MAX = 2.0
CHUNK_BYTES = 65_536


class Address(msgspec.Struct, frozen=True):
    """Where a service listens."""

    host: str
    port: int


class Answer(msgspec.Struct, frozen=True):
    """What came back; `cut` says why the body is not all of it, empty where it is."""

    status: int
    media_type: str
    body: bytes
    cut: str = ""


class NoAnswerError(Exception):
    """Nothing came that could be used: `slow` where it did not come in time."""

    def __init__(self, reason: str, *, slow: bool = False) -> None:
        super().__init__(reason)
        self.slow = slow


async def fetch(address: Address, path: str, *, accept: str = "*/*", method: str = "GET") -> Answer:
    """The answer to one request, at most 5 MB within 2 s; a redirect is an answer. Raises NoAnswerError."""
    body = bytearray()
    heads: list[h11.Response] = []
    cut = ""
    try:
        async with (
            asyncio.timeout(SECONDS_MAX),
            contextlib.aclosing(_exchange(address, path, accept, method)) as events,
        ):
            async for event in events:
                if isinstance(event, h11.Response):
                    heads.append(event)
                    continue
                body += event.data
                if len(body) > BYTES_MAX:
                    cut = f"it is larger than {BYTES_MAX // 1_000_000} MB"
                    break
    except TimeoutError:
        cut = f"it did not come to an end within {SECONDS_MAX:g} s"
    except (OSError, h11.ProtocolError) as error:
        cut = "it broke off" if heads else str(error) or type(error).__name__
    if not heads:
        raise NoAnswerError(cut or "there was no answer", slow="within" in cut)
    return Answer(heads[0].status_code, _media_type(heads[0].headers), bytes(body), cut)


async def _exchange(
    address: Address, path: str, accept: str, method: str
) -> AsyncGenerator[h11.Response | h11.Data, None]:
    """The head of the answer, then its body in pieces."""
    reader, writer = await asyncio.open_connection(address.host, address.port, limit=CHUNK_BYTES)
    try:
        connection = h11.Connection(h11.CLIENT)
        host = f"[{address.host}]" if ":" in address.host else address.host
        headers = [
            ("Host", f"{host}:{address.port}"), ("User-Agent", "nexus"), ("Accept", accept),
            ("Apollo-Require-Preflight", "true"), ("Connection", "close"),
        ]  # fmt: skip
        writer.write(connection.send(h11.Request(method=method, target=path, headers=headers)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(CHUNK_BYTES))
            elif isinstance(event, h11.Response | h11.Data):
                yield event
            elif not isinstance(event, h11.InformationalResponse):
                return
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _media_type(headers: Sequence[tuple[bytes, bytes]]) -> str:
    found = next((value for name, value in headers if name == b"content-type"), b"")
    return found.decode("latin-1").partition(";")[0].strip().lower()

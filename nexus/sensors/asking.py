"""One question to one service: HTTP, TCP, a command, or a query to PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec

from events.catalog import Probe, ProbeKind

ANSWER_BYTES_MAX = 16_384
PHRASES = {str(it.value): it.phrase for it in HTTPStatus}
"""What statuses mean; what a service says beside its status may be a secret."""


class Question(msgspec.Struct, frozen=True):
    """A probe with the address that it goes to."""

    probe: Probe
    host: str
    port: int
    environment: Mapping[str, str] = {}


class BadAnswerError(Exception):
    """The service answered, and not as it should."""


async def ask(question: Question) -> tuple[bool, str]:
    """Whether there is a problem, and the answer in a few words; never the answer's body, which may hold secrets."""
    try:
        async with asyncio.timeout(question.probe.timeout_seconds):
            return False, await ASKERS[question.probe.kind](question)
    except TimeoutError:
        return True, f"no answer within {question.probe.timeout_seconds:g} s"
    except ConnectionRefusedError:
        return True, f"nobody listens on port {question.port}"
    except (BadAnswerError, OSError, asyncio.IncompleteReadError, ValueError) as error:
        return True, str(error) or type(error).__name__


async def _http(question: Question) -> str:
    async with _connected(question) as (reader, writer):
        path = question.probe.target or "/"
        host = f"{question.host}:{question.port}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: nexus\r\nConnection: close\r\n\r\n".encode())
        line = (await reader.readline()).decode("latin-1").strip()
        await _read_some(reader)
    told = f"GET {path.partition('?')[0]}"  # a query may hold a secret
    version, code = (*line.split(" "), "", "")[:2]
    if not version.startswith("HTTP/") or not code.isdigit():
        raise BadAnswerError(f"{told} got no HTTP answer")
    told = f"{told} answered {code} {PHRASES.get(code, '')}".rstrip()
    if not 200 <= int(code) < 400:
        raise BadAnswerError(told)
    return told


async def _read_some(reader: asyncio.StreamReader) -> None:
    """Read a little of the rest, so that a well-meaning server is not cut off in mid-sentence."""
    with contextlib.suppress(OSError):
        await reader.read(ANSWER_BYTES_MAX)


async def _tcp(question: Question) -> str:
    async with _connected(question):
        return f"port {question.port} accepts connections"


async def _exec(question: Question) -> str:
    process = await asyncio.create_subprocess_exec(
        *shlex.split(question.probe.target),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(question.environment),
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise BadAnswerError(f"its check exited with code {code}")
    return "its check succeeded"


async def _postgres(question: Question) -> str:
    """`SELECT 1` in PostgreSQL's own protocol (version 3.0, simple query)."""
    user, _, database = question.probe.target.rpartition("@")
    async with _connected(question) as (reader, writer):
        words = ["user", user or "postgres", "database", database or "postgres", "application_name", "nexus", ""]
        startup = struct.pack(">I", 196_608) + "\0".join(words).encode() + b"\0"
        writer.write(struct.pack(">I", len(startup) + 4) + startup)
        while (message := await _message(reader))[0] != b"Z":
            if message[0] == b"R" and message[1] != b"\0\0\0\0":
                return "accepts connections and asks for a password"
            _raise_if_error(message)
        query = b"SELECT 1\0"
        writer.write(b"Q" + struct.pack(">I", len(query) + 4) + query)
        while (message := await _message(reader))[0] != b"D":
            _raise_if_error(message)
        writer.write(b"X" + struct.pack(">I", 4))
    return "SELECT 1 answered"


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind = await reader.readexactly(1)
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    if not 4 <= length <= ANSWER_BYTES_MAX:
        raise BadAnswerError("what listens there does not speak PostgreSQL")
    return kind, await reader.readexactly(length - 4)


def _raise_if_error(message: tuple[bytes, bytes]) -> None:
    if message[0] != b"E":
        return
    fields = {field[:1]: field[1:].decode("utf-8", "replace") for field in message[1].split(b"\0") if field}
    raise BadAnswerError(f"PostgreSQL says: {fields.get(b'M', 'an error without a message')}")


@contextlib.asynccontextmanager
async def _connected(question: Question) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(question.host, question.port, limit=ANSWER_BYTES_MAX)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


ASKERS: dict[ProbeKind, Callable[[Question], Awaitable[str]]] = {
    "http": _http,
    "tcp": _tcp,
    "exec": _exec,
    "postgres": _postgres,
}

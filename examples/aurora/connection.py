"""A connection to PostgreSQL that comes back after the server went away."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow, dict_row

from common import Json, Problem

Connection = psycopg.AsyncConnection[DictRow]
CONNECT_TIMEOUT_SECONDS = 0.7
PING_TIMEOUT_SECONDS = 0.5
STATEMENT_TIMEOUT_SECONDS = 5.0


class Database:
    """Opens its connection when it is first needed, and again after it was lost; `prepare` runs once, at first."""

    def __init__(self, url: str, prepare: Callable[[Connection], Awaitable[None]] | None = None) -> None:
        self.url, self.prepare = url, prepare
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def query(self, statement: LiteralString, values: Sequence[Any] | Json = ()) -> list[Json]:
        """The rows of a statement; raises Problem 503 when PostgreSQL does not answer, 422 when it refuses a value."""
        try:
            async with self._turn:
                connection = await self._alive() or await self._connect()
                with self._patience(STATEMENT_TIMEOUT_SECONDS):
                    cursor = await connection.execute(statement, values)
                    return await cursor.fetchall() if cursor.description else []
        except (psycopg.OperationalError, TimeoutError) as error:
            said = " ".join(str(error).split()) or f"no connection within {CONNECT_TIMEOUT_SECONDS} s"
            raise Problem(503, "Database unavailable", f"database: {said}", service="database") from error
        except psycopg.DataError as error:
            raise Problem(422, "Bad value", f"PostgreSQL cannot keep this value: {error}") from error

    async def close(self) -> None:
        """Let the connection go."""
        connection, self._connection = self._connection, None
        if connection:
            with contextlib.suppress(psycopg.Error):
                await connection.close()

    async def _alive(self) -> Connection | None:
        """The connection if the server still answers on it: asked first, so that no statement is executed twice."""
        if self._connection:
            try:
                with self._patience(PING_TIMEOUT_SECONDS):
                    await self._connection.execute("SELECT 1")
            except psycopg.OperationalError:
                await self.close()
        return self._connection

    async def _connect(self) -> Connection:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True, row_factory=dict_row)
        self._connection = connection
        if self.prepare:
            try:
                with self._patience(STATEMENT_TIMEOUT_SECONDS):
                    await self.prepare(connection)
            except psycopg.Error:
                await self.close()
                raise
            self.prepare = None
        return connection

    @contextlib.contextmanager
    def _patience(self, seconds: float) -> Iterator[None]:
        """Make a server that hangs look like one that left: psycopg waits for it even when it is cancelled."""
        timer = asyncio.get_running_loop().call_later(seconds, self._cut)
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        with contextlib.suppress(psycopg.Error, OSError):
            if self._connection:
                with socket.fromfd(self._connection.pgconn.socket, socket.AF_INET, socket.SOCK_STREAM) as way:
                    way.shutdown(socket.SHUT_RDWR)

"""The application: routes from the table of operations, and what they are carried out with."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from nexus.http import exports, metrics, openapi, pages, shown
from nexus.http.commands import KEY_LENGTH_MAX, now_micros
from nexus.http.feed import Feed, FeedQuery
from nexus.http.limits import Rate, Streams
from nexus.http.operation import Asked, Operation, body_of, place_of, query_of
from nexus.http.operations import OPERATIONS
from nexus.http.past import Past
from nexus.http.problems import Problem
from nexus.http.queries import Known, position
from nexus.http.security import Caller, Gate, Names, require
from nexus.http.sessions import Sessions
from nexus.http.tail import Tail
from nexus.http.tokens import Codes, Tokens

Action = Callable[[Caller, Any], Awaitable[msgspec.Struct]]
KEY = re.compile(rf"[A-Za-z0-9._:-]{{1,{KEY_LENGTH_MAX}}}")


class Api:
    """What the routes are carried out with: one home, read only, and its supervisor by way of the control channel."""

    def __init__(self, home: Path, tokens: Tokens, version: str) -> None:
        self.home, self.version = home, version
        self.tail = Tail(home)
        self.past, self.readers = Past(home), Past(home)
        self.streams = Streams()
        self.feed = Feed(self.tail, self.streams)
        self.sessions = Sessions(tokens, Codes(home))
        self.commands, self.heavy = Rate(10, 50), Rate(10, 50)
        self.actions: dict[str, Action] = {
            "health": self._health, "who": self.sessions.who, "redeem": self.sessions.redeem,
            "list": self.sessions.list, "add": self.sessions.add, "revoke": self.sessions.revoke,
        }  # fmt: skip

    # -- routes --------------------------------------------------------------------------------

    def routes(self) -> list[BaseRoute]:
        """A route for each operation, the WebSocket, the document and the pages."""
        return [
            *(
                Route(path, self._endpoint(by_method), methods=list(by_method))
                for path, by_method in _by_path().items()
            ),
            WebSocketRoute("/ws", self.serve_websocket),
            Route("/api/openapi.json", self._document, methods=["GET"]),
            *pages.routes(),
        ]

    def _endpoint(self, by_method: Mapping[str, Operation]) -> Any:
        async def endpoint(request: Request) -> Response:
            operation = by_method["GET" if request.method == "HEAD" else request.method]
            caller: Caller = request.scope["state"]["caller"]
            if operation.role:
                require(caller, operation.role)
            asked = Asked(
                place_of(request, operation.place),
                query_of(request, operation.query),
                await body_of(request, operation.body) if operation.method != "GET" else None,
            )
            return await self._carry_out(operation, request, caller, asked)

        return endpoint

    async def _carry_out(self, operation: Operation, request: Request, caller: Caller, asked: Any) -> Response:
        if operation.sort in ("state", "log"):
            return await self._query(operation, request, asked)
        if operation.sort == "stream":
            return self.feed.respond(asked, request.headers)
        if operation.sort in ("reader", "export"):
            self.heavy.check(caller.name, "exports and questions")
            await self.tail.sync()
            return await (self._read if operation.sort == "reader" else self._export)(operation, request, asked)
        if operation.sort == "command":
            self.commands.check(caller.name, "commands")
            carry_out: Any = operation.handler
            answer: Any = await carry_out(self.tail, caller, _key(request), asked)
        else:
            answer = await self.actions[str(operation.handler)](caller, asked)
        return Response(msgspec.json.encode(answer), operation.status, media_type=operation.media_type)

    # -- questions -----------------------------------------------------------------------------

    async def _query(self, operation: Operation, request: Request, asked: Any) -> Response:
        at: str | None = getattr(asked.query, "at", None)
        await self.tail.sync()
        seq = self.tail.head if at is None else await asyncio.to_thread(position, self.tail.reader, at)
        tag = f'W/"{seq}{"" if at else f"-{self.tail.alive:d}"}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Nexus-Position": str(seq)}
        if operation.ages and at is None:
            del headers["ETag"]
        elif _matches(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        if seq < self.tail.head:
            body = await self.past.answer(operation.name, seq, asked)
        else:
            body = await self._present(operation, asked, as_recorded=at is not None)
        if operation.name == "metrics_text":
            body = metrics.as_text(msgspec.json.decode(body, type=metrics.MetricsView))
        return Response(body, 200, headers, operation.media_type)

    async def _present(self, operation: Operation, asked: Any, as_recorded: bool) -> bytes:
        state = self.tail.state
        now, alive = (state.at, True) if as_recorded else (now_micros(), self.tail.alive)
        known = Known(state, self.tail.reader, self.home, now, alive)
        handler: Any = operation.handler
        if operation.sort == "state":
            return msgspec.json.encode(handler(known, asked))
        return await asyncio.to_thread(lambda: msgspec.json.encode(handler(known, asked)))

    async def _read(self, operation: Operation, _: Request, asked: Any) -> Response:
        """What takes long, in a reader process of its own: looks into the past do not wait for it."""
        body = await self.readers.answer(operation.name, self.tail.head, asked)
        return Response(body, operation.status, media_type=operation.media_type)

    async def _export(self, _: Operation, request: Request, asked: Any) -> Response:
        at, reader = asked.query.at, self.tail.reader
        seq = self.tail.head if at is None else await asyncio.to_thread(position, reader, at)
        response = await asyncio.to_thread(exports.export, reader, seq, asked.query)
        return Response(headers=response.headers) if request.method == "HEAD" else response

    # -- the rest ------------------------------------------------------------------------------

    async def serve_websocket(self, socket: WebSocket) -> None:
        """The live feed over a WebSocket."""
        try:
            require(socket.scope["state"]["caller"], "read")
            await self.feed.serve(socket, query_of(socket, FeedQuery))
        except Problem as problem:
            await socket.send_denial_response(problem.response())

    async def _document(self, _: Request) -> Response:
        return Response(msgspec.json.encode(openapi.document(OPERATIONS, self.version)), media_type="application/json")

    async def _health(self, _: Caller, __: Any) -> shown.Health:
        return shown.Health("ok", self.tail.head)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Follow the log as long as the application lives."""
        await self.tail.open()
        following = asyncio.create_task(self.tail.run())
        try:
            yield
        finally:
            following.cancel()
            self.past.close()
            self.readers.close()


def application(home: Path, names: Names, version: str) -> tuple[ASGIApp, Api]:
    """The application behind its gate, and what its routes are carried out with."""
    tokens = Tokens(home)
    tokens.default()
    api = Api(home, tokens, version)
    app = Starlette(
        routes=api.routes(),
        lifespan=api.lifespan,
        exception_handlers={Problem: _on_problem, HTTPException: _on_http_exception, Exception: _on_error},
    )
    app.router.redirect_slashes = False
    return Gate(app, names, tokens), api


def _by_path() -> dict[str, dict[str, Operation]]:
    """The operations of each path by method; a path is one route, so that a refusal names all its methods."""
    found: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        found.setdefault(operation.path, {})[operation.method] = operation
    return found


async def _on_problem(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem.response()


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405 in our form."""
    assert isinstance(error, HTTPException)
    path, found = request.url.path[:200], f"{request.method} {request.url.path}"[:200]
    expected = "a path of the API" if error.status_code == 404 else f"one of: {(error.headers or {}).get('Allow', '')}"
    return Problem(
        error.status_code, f"the path {path}", expected, found, "GET /api/openapi.json names every path.", error.headers
    ).response()


async def _on_error(_: Request, __: Exception) -> Response:
    """An error of ours; what it was is in the log of this process, never in the answer."""
    return Problem(
        500, "Nexus", "an answer", "an error of its own", "See `nexus logs nexus-api`; please report it."
    ).response()


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if "idempotency-key" in request.headers and not KEY.fullmatch(key):
        raise Problem(
            400, "the Idempotency-Key header", f"1 to {KEY_LENGTH_MAX} letters, digits or ._:-", repr(key)[:100],
            "A UUID is a good one.",
        )  # fmt: skip
    return key


def _matches(given: str, tag: str) -> bool:
    bare = tag.removeprefix("W/")
    return given.strip() == "*" or any(it.strip().removeprefix("W/") == bare for it in given.split(","))

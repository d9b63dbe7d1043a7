"""Router: one address for all of Aurora; asks Nexus where each service is and sends requests and WebSockets there."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import httpx
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from common import Problem, application, serve
from connection import Database
from directory import Directory
from tunnel import body_of, join, passed_on

SERVICES = {"core": "aurora-core", "synthesis": "synthesis-engine", "bridge": "ide-bridge"}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
TIMEOUT = httpx.Timeout(60, connect=1)

directory = Directory()
database = Database(os.environ["DATABASE_URL"])
client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, headers={"Accept-Encoding": "identity"})


async def overview(_: Request) -> Response:
    """GET / → each prefix, the service behind it, and what Nexus says about that service."""
    known = await directory.services()
    routes = [
        {
            "prefix": f"/{prefix}",
            "service": name,
            "state": known.get(name, {}).get("state", "unknown"),
            "health": known.get(name, {}).get("health", "unknown"),
            "instances": len(known.get(name, {}).get("instances", [])),
        }
        for prefix, name in SERVICES.items()
    ]
    return JSONResponse({"routes": routes, "nexus": directory.problem or "ok"})


async def health(_: Request) -> Response:
    """GET /api/health → 200 as long as the router itself works; what it needs and lacks makes it degraded."""
    answers = await asyncio.gather(directory.services(), database.query("SELECT 1"), return_exceptions=True)
    said = {
        "nexus": directory.problem or "ok",
        "database": str(answers[1]) if isinstance(answers[1], Problem) else "ok",
    }
    return JSONResponse({"status": "ok" if set(said.values()) == {"ok"} else "degraded", **said})


async def forward(request: Request) -> Response:
    """Pass a request on, streaming both ways; a refused connection is tried once more where Nexus then says."""
    name, path = target(request)
    address = await directory.address(name)
    try:
        try:
            answer = await client.send(outgoing(request, address, path), stream=True)
        except httpx.ConnectError:
            address = await directory.address(name, again=True)
            answer = await client.send(outgoing(request, address, path), stream=True)
    except httpx.ReadTimeout as error:
        raise Problem(504, "Gateway timeout", f"{name} at {address} took too long.", service=name) from error
    except httpx.HTTPError as error:
        raise await unreachable(name, address, error) from error
    response = StreamingResponse(body_of(answer), answer.status_code)
    response.raw_headers = passed_on(answer.headers.raw)
    return response


def outgoing(request: Request, address: str, path: str) -> httpx.Request:
    """The request as the service gets it."""
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    return client.build_request(
        request.method,
        f"http://{address}{path}",
        headers=passed_on(request.headers.raw),
        content=request.stream() if has_body else None,
    )


async def forward_websocket(socket: WebSocket) -> None:
    """Join an editor's WebSocket with one to the service, until either side ends it."""
    try:
        name, path = target(socket)
        upstream = await dial(name, path)
    except Problem as problem:
        await socket.send_denial_response(problem.response())
    else:
        await join(socket, upstream)


async def dial(name: str, path: str) -> websockets.ClientConnection:
    """A WebSocket to a service; a refused one is tried once more where Nexus then says. Raises Problem 502."""
    address = await directory.address(name)
    try:
        try:
            return await websockets.connect(f"ws://{address}{path}", proxy=None)
        except OSError:
            address = await directory.address(name, again=True)
            return await websockets.connect(f"ws://{address}{path}", proxy=None)
    except (OSError, websockets.WebSocketException) as error:
        raise await unreachable(name, address, error) from error


async def unreachable(name: str, address: str, error: Exception) -> Problem:
    """A service that Nexus takes for running and that does not answer."""
    said = (await directory.services()).get(name, {})
    detail = f"{name} at {address} does not answer: {error}. Nexus says: {said.get('state')}, {said.get('health')}."
    return Problem(502, "Bad gateway", detail, service=name, nexus={key: said.get(key) for key in ("state", "health")})


def target(request: Request | WebSocket) -> tuple[str, str]:
    """The service that a request is for, and path and query as that service knows them; raises Problem 404."""
    prefix = request.path_params["prefix"]
    if prefix not in SERVICES:
        raise Problem(404, "No such route", f"/{prefix} leads nowhere; there are /{', /'.join(SERVICES)}.")
    path = request.scope["raw_path"].decode("ascii").removeprefix(f"/{prefix}")
    query = request.scope["query_string"].decode("ascii")
    return SERVICES[prefix], f"{path}?{query}" if query else path


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Close every connection at the end."""
    yield
    await asyncio.gather(client.aclose(), directory.close(), database.close())


app = application(
    [
        Route("/", overview),
        Route("/api/health", health),
        Route("/{prefix}/{path:path}", forward, methods=METHODS),
        WebSocketRoute("/{prefix}/{path:path}", forward_websocket),
    ],
    lifespan,
)

if __name__ == "__main__":
    serve(app)

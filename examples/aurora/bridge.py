"""IDE Bridge: an editor speaks JSON over one WebSocket; what it asks for is done by the services behind the Router."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from common import Json, Problem, application, call, serve

VERSION = 1
STREAM_TIMEOUT = httpx.Timeout(3, read=60)

router = httpx.AsyncClient(base_url=os.environ["ROUTER_URL"], timeout=3, trust_env=False)
editors: set[WebSocket] = set()


async def hello(_: Json) -> AsyncIterator[Json]:
    """Who we are, what can be asked, and which services there are."""
    found = await ask("GET", "/")
    yield {"type": "welcome", "version": VERSION, "asks": sorted(ASKS), "services": found["routes"]}


async def services(_: Json) -> AsyncIterator[Json]:
    """Each service with its state, as the Router has it from Nexus."""
    yield {"type": "services", "services": (await ask("GET", "/"))["routes"]}


async def create_task(message: Json) -> AsyncIterator[Json]:
    """Create a task from title, kind, input."""
    wanted: Json = {key: message[key] for key in ("title", "kind", "input") if key in message}
    yield {"type": "task", "task": await ask("POST", "/core/api/tasks", wanted)}


async def complete_task(message: Json) -> AsyncIterator[Json]:
    """Mark task number `task` as done, with a `result`."""
    change = {"state": "done", "result": message.get("result")}
    yield {"type": "task", "task": await ask("PATCH", f"/core/api/tasks/{number_of(message)}", change)}


async def find_tasks(message: Json) -> AsyncIterator[Json]:
    """Tasks by kind, state, search."""
    wanted = httpx.QueryParams({key: str(message[key]) for key in ("kind", "state", "search") if key in message})
    yield {"type": "tasks", **await ask("GET", f"/core/api/tasks?{wanted}")}


async def synthesize(message: Json) -> AsyncIterator[Json]:
    """Generate code from name, fields, language: the job, its progress step by step, then the result."""
    wanted: Json = {key: message[key] for key in ("name", "fields", "language") if key in message}
    job = await ask("POST", "/synthesis/api/synthesis/jobs", wanted)
    yield {"type": "job", "job": job}
    path = f"/synthesis/api/synthesis/jobs/{job['id']}/progress"
    try:
        async with router.stream("GET", path, timeout=STREAM_TIMEOUT) as answer:
            async for line in answer.aiter_lines():
                step = json.loads(line)
                yield {"type": "result" if "state" in step else "progress", **step}
    except (httpx.HTTPError, ValueError) as error:
        detail = f"The progress of job {job['id']} was lost ({error}); the job goes on, ask for it later."
        raise Problem(503, "Service unavailable", detail, service="router") from error


Answers = Callable[[Json], AsyncIterator[Json]]
ASKS: dict[str, Answers] = {
    "hello": hello,
    "services": services,
    "task.create": create_task,
    "task.complete": complete_task,
    "tasks": find_tasks,
    "synthesize": synthesize,
}
"""What an editor may ask: {type, id?, …}; every answer repeats the id."""


async def ask(method: str, path: str, body: Json | None = None) -> Any:
    """What a service behind the Router answers; raises its Problem."""
    return await call(router, "router", method, path, body)


def number_of(message: Json) -> int:
    """The number in `task`; raises Problem 422."""
    if not isinstance(message.get("task"), int):
        raise Problem(422, "Bad message", f"task must be a task's number, not {message.get('task')!r:.40}.")
    return int(message["task"])


async def answer(socket: WebSocket, text: str) -> None:
    """Answer one message; a problem is an answer too."""
    message: Json = {}
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        try:
            message = read_message(text)
            async for part in ASKS[message["type"]](message):
                await socket.send_json({**part, "id": message.get("id")})
        except Problem as problem:
            await socket.send_json({"type": "problem", **problem.document, "id": message.get("id")})


def read_message(text: str) -> Json:
    """What an editor said; raises Problem 400."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Problem(400, "Not JSON", f"A message must be a JSON object: {error}.") from error
    if not isinstance(found, dict) or str(found.get("type")) not in ASKS:
        raise Problem(400, "Unknown message", f"A message must be an object whose type is one of {', '.join(ASKS)}.")
    return found


async def editor(socket: WebSocket) -> None:
    """/ws: answer each message on its own, so that a long job does not hold up the next one."""
    await socket.accept()
    editors.add(socket)
    answering: set[asyncio.Task[None]] = set()
    try:
        while True:
            task = asyncio.create_task(answer(socket, await socket.receive_text()))
            answering.add(task)
            task.add_done_callback(answering.discard)
    except WebSocketDisconnect:
        for task in answering:
            task.cancel()
    finally:
        editors.discard(socket)


async def health(_: Request) -> Response:
    """GET /api/bridge/health → 200; without the Router it is degraded: editors stay connected and are told."""
    said = "ok"
    try:
        await ask("GET", "/")
    except Problem as problem:
        said = str(problem)
    return JSONResponse({"status": "ok" if said == "ok" else "degraded", "router": said, "editors": len(editors)})


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Close the connections to the Router at the end."""
    yield
    await router.aclose()


app = application([WebSocketRoute("/ws", editor), Route("/api/bridge/health", health)], lifespan)

if __name__ == "__main__":
    serve(app)

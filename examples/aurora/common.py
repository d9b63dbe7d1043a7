"""What the Aurora services share: how they are served, whom they answer, and how they say what went wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

BODY_BYTES_MAX = 1_000_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Json = dict[str, Any]


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """What went wrong, as a problem document (RFC 9457); `more` are further members of it."""

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.document: Json = {"title": title, "status": status, "detail": detail, **more}

    def response(self) -> Response:
        """The answer that carries it."""
        return JSONResponse(self.document, self.document["status"], media_type="application/problem+json")


class LoopbackOnly:
    """Refuses what a web page of another site sends: its Origin, or a Host name that it pointed at this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        headers = Headers(scope=scope) if scope["type"] in ("http", "websocket") else Headers()
        senders = [f"http://{headers['host']}"] if "host" in headers else []
        senders += [headers["origin"]] if headers.get("origin", "").startswith("http") else []
        strangers = [it for it in senders if urlsplit(it).hostname not in LOOPBACK]
        if not strangers:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            refused = Problem(403, "Forbidden", f"Only this machine is answered, not {strangers[0]}.")
            await refused.response()(scope, receive, send)


def application(routes: Sequence[BaseRoute], lifespan: Lifespan[Starlette] | None = None) -> Starlette:
    """An application that answers a raised Problem with its document."""

    async def on_problem(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, Problem)
        return problem.response()

    return Starlette(
        routes=list(routes),
        lifespan=lifespan,
        middleware=[Middleware(LoopbackOnly)],
        exception_handlers={Problem: on_problem},
    )


def serve(app: Starlette) -> None:
    """Serve `app` on 127.0.0.1:PORT until SIGTERM; what is still open then has one second."""
    port = int(os.environ["PORT"])
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, timeout_graceful_shutdown=1)


async def read_object(request: Request) -> Json:
    """The JSON object that a request carries; raises Problem 400 or 413."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_BYTES_MAX:
            raise Problem(413, "Too large", f"A request may carry at most {BODY_BYTES_MAX} bytes.")
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise Problem(400, "Not JSON", f"The request must carry a JSON object: {error}.") from error
    if not isinstance(found, dict):
        raise Problem(400, "Not an object", f"The request must carry a JSON object, not {type(found).__name__}.")
    return found


async def call(client: httpx.AsyncClient, service: str, method: str, url: str, body: Json | None = None) -> Any:
    """What another service answers; its own problem is passed on, and silence is a Problem 503 that names it."""
    try:
        answer = await client.request(method, url, json=body)
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        said = str(error) or type(error).__name__
        raise Problem(503, "Service unavailable", f"{service} does not answer: {said}.", service=service) from error
    if answer.is_success:
        return found
    raise Problem(**{"status": answer.status_code, "title": answer.reason_phrase, "detail": answer.text[:200], **found})

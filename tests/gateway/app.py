"""A service to stand behind the gateway: says who it is, echoes, is slow, streams and holds WebSockets."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any
from urllib.parse import parse_qs

import uvicorn

ME = os.environ["NEXUS_INSTANCE"]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application."""
    if scope["type"] == "websocket":
        await talk(receive, send)
    elif scope["type"] == "http":
        await respond(scope, receive, send)


async def talk(receive: Any, send: Any) -> None:
    """Send back whatever comes, with our name before it."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": f"{ME} {message.get('text')}"})


async def unless_gone(receive: Any, seconds: float) -> bool:
    """Let some time pass; whether the client has gone meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await receive()
    except TimeoutError:
        return False
    return True


async def respond(scope: Any, receive: Any, send: Any) -> None:
    """`/stream` streams, `/slow?s=1` waits; anything else tells what came."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    streams = scope["path"] == "/stream"
    media_type = b"text/event-stream" if streams else b"application/json"
    if scope["path"] == "/slow":
        await unless_gone(receive, float(parse_qs(scope["query_string"].decode())["s"][0]))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", media_type)]})
    for number in range(10_000 if streams else 0):
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
        if await unless_gone(receive, 0.05):
            return
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    told = {"me": ME, "method": scope["method"], "path": scope["path"], "size": size, "headers": headers}
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=2)

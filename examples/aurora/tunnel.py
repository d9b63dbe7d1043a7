"""Carries what is said from one connection to another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import websockets
from starlette.websockets import WebSocket, WebSocketDisconnect

NOT_PASSED_ON = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer",
    b"transfer-encoding", b"upgrade", b"host",
}  # fmt: skip


def passed_on(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers without those that concern only one connection."""
    return [(name.lower(), value) for name, value in headers if name.lower() not in NOT_PASSED_ON]


async def body_of(answer: httpx.Response) -> AsyncIterator[bytes]:
    """An answer's body piece by piece; its connection is let go however this ends."""
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


async def join(socket: WebSocket, upstream: websockets.ClientConnection) -> None:
    """Accept `socket` and carry text both ways until either side ends; the other one is then told."""
    await socket.accept()
    async with upstream:
        ways = [asyncio.create_task(_forth(socket, upstream)), asyncio.create_task(_back(socket, upstream))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _forth(socket: WebSocket, upstream: websockets.ClientConnection) -> None:
    with contextlib.suppress(WebSocketDisconnect, websockets.ConnectionClosed):
        while True:
            await upstream.send(await socket.receive_text())


async def _back(socket: WebSocket, upstream: websockets.ClientConnection) -> None:
    with contextlib.suppress(websockets.ConnectionClosed):
        async for message in upstream:
            await socket.send_text(message if isinstance(message, str) else message.decode())
    with contextlib.suppress(RuntimeError):
        await socket.close(upstream.close_code or 1001, upstream.close_reason or "")

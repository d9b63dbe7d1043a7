"""The server process: one event loop on a loopback port and on a unix socket, with a goodbye to every stream."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nexus.http.app import Api, application
from nexus.http.limits import HEADER_BYTES_MAX
from nexus.http.security import names_of
from nexus.platforms.listen import close_unix, listen_tcp, listen_unix, peer_name

GOODBYE_SECONDS = 2
GRACE_SECONDS = 3
KEEP_ALIVE_SECONDS = 30
HEAD_SECONDS = 10.0


class Protocol(H11Protocol):
    """One connection; on the unix socket the system says whose it is, and nobody else's is kept."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Tell the application how to drop the connection, and who is at the other end of a unix socket."""
        self.app_state = {**self.app_state, "drop": transport.abort}
        peer = peer_name(transport.get_extra_info("socket"))
        if peer is not None:
            self.app_state["peer"] = peer
        super().connection_made(transport)
        if peer == "":
            transport.abort()
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._patience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        """Let go of somebody who has not asked anything yet."""
        if getattr(self, "cycle", None) is None and self in self.connections:
            self.transport.abort()


class Server(uvicorn.Server):
    """Says goodbye to the streams before it ends."""

    api: Api

    async def shutdown(self, sockets: Any = None) -> None:
        """End in good order: the signal that asked for it is answered by then, and not raised again."""
        self.api.tail.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.api.streams.none.wait()
        await super().shutdown(sockets)
        self._captured_signals.clear()


def serve(home: Path, host: str, port: int) -> None:
    """Answer until SIGTERM, after a line with the URL; raises OSError where the port is taken."""
    tcp = listen_tcp(host, port)
    unix = listen_unix(home)
    bound: int = tcp.getsockname()[1]
    sys.stdout.write(f"http://{host}:{bound}\n")
    sys.stdout.flush()
    app, api = application(home, names_of(bound), importlib.metadata.version("luminar-nexus"))
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="websockets-sansio",
        ws_max_size=4096,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=2 * HEADER_BYTES_MAX,
    )
    server = Server(config)
    server.api = api
    try:
        server.run([tcp, unix] if unix else [tcp])
    finally:
        close_unix(home)

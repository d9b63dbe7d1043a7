"""`python -m nexus.gateway --home H …`: the guide of the gateway of one home, a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import sys
from pathlib import Path

import uvicorn

from nexus.gateway.guide import HERE, Guide, Names
from nexus.gateway.usage import Usage
from nexus.platforms.listen import listen_tcp

GRACE_SECONDS = 1


class Server(uvicorn.Server):
    """A server that ends in good order when asked, without raising the signal again."""

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Let those finish who are served, and be done."""
        await super().shutdown(sockets)  # type: ignore[arg-type]
        self._captured_signals.clear()


async def serve(home: Path, names_port: int, page_port: int, usage_port: int) -> None:
    """Answer until SIGTERM; raises OSError where a port is taken."""
    listener = listen_tcp(HERE, page_port)
    guide = Guide(home, listener.getsockname()[1], importlib.metadata.version("luminar-nexus"))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Names(guide), local_addr=(HERE, names_port))
    usage = Usage(home, usage_port, lambda: guide.state.endpoints, lambda name: name in guide.routed)
    tasks = [asyncio.create_task(guide.follow()), asyncio.create_task(usage.run())]
    config = uvicorn.Config(
        guide, access_log=False, log_level="warning", server_header=False, proxy_headers=False, lifespan="off",
        ws="none", http="h11", timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
    try:
        await Server(config).serve([listener])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        transport.close()


def main() -> int:
    """Serve until SIGTERM; 1 where that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m nexus.gateway", description="The guide of one home's gateway.")
    parser.add_argument("--home", type=Path, required=True, help="where the supervisor keeps its state")
    parser.add_argument("--names", type=int, required=True, help="the UDP port on which it tells who is there")
    parser.add_argument("--usage", type=int, required=True, help="the UDP port on which it is told of each request")
    parser.add_argument("--page", type=int, required=True, help="the TCP port on which it shows pages")
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.home, given.names, given.page, given.usage))
    except OSError as error:
        sys.stderr.write(f"nexus: the guide of the gateway can't listen: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Where the services are: what Nexus last said about them."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from pathlib import Path

import httpx

from common import Json, Problem

FRESH_SECONDS = 1.0
NEXUS_TIMEOUT_SECONDS = 1.0


class Directory:
    """Asks Nexus at most once a second; while it does not answer, what it said last holds."""

    def __init__(self) -> None:
        socket = os.environ.get("NEXUS_SOCKET")
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket) if socket else None,
            base_url="http://nexus" if socket else os.environ["NEXUS_URL"],
            timeout=NEXUS_TIMEOUT_SECONDS,
            trust_env=False,
        )
        self._services: dict[str, Json] = {}
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._turn = itertools.count()
        self.problem: str | None = None

    async def services(self, *, again: bool = False) -> dict[str, Json]:
        """Every service by name, as in `nexus status --json`; `again` asks even if the last answer is fresh."""
        async with self._asking:
            if again or time.monotonic() - self._asked_at > FRESH_SECONDS:
                await self._ask()
        return self._services

    async def address(self, name: str, *, again: bool = False) -> str:
        """HOST:PORT of an instance that runs, of several each in its turn; raises Problem 503 with its state."""
        service = (await self.services(again=again)).get(name)
        if service is None:
            reason = self.problem or "Nexus does not know it"
            raise Problem(503, "Service unavailable", f"{name}: {reason}.", service=name)
        instances = [it for it in service["instances"] if it["state"] == "running" and it["ports"].get("main")]
        best = [it for it in instances if it["health"] == "healthy"] or instances
        if not best:
            state = {key: service.get(key) for key in ("state", "health")}
            said = f"{name} is {state['state']}, its health {state['health']}"
            raise Problem(503, "Service unavailable", f"{said}; see: nexus status", service=name, nexus=state)
        return f"127.0.0.1:{best[next(self._turn) % len(best)]['ports']['main']}"

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    async def _ask(self) -> None:
        self._asked_at = time.monotonic()
        try:
            answer = await self._client.get("/api/services", headers=self._headers())
            self._services = answer.raise_for_status().json()["services"]
            self.problem = None
        except (httpx.HTTPError, OSError, ValueError, KeyError) as error:
            self.problem = f"Nexus does not answer ({str(error) or type(error).__name__})"

    @staticmethod
    def _headers() -> dict[str, str]:
        token = os.environ.get("NEXUS_TOKEN_FILE")
        return {"Authorization": f"Bearer {Path(token).read_text().strip()}"} if token else {}

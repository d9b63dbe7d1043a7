"""Sees when nobody is with a run any more that is drained: the gateway is asked for the requests under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

import msgspec

from events.catalog import RunDrained
from events.envelope import Draft, Position, Recorded
from nexus.platforms.listen import connect_unix
from projections.services import Instance
from projections.state import State

UNLED_SECONDS = 0.4
"""After so long the gateway leads nobody to it any more: it believes an answer for 250 ms."""

LOOK_SECONDS = 0.05
ASK_SECONDS = 1.0

UnderWay = Callable[[set[int]], Coroutine[None, None, int]]
"""How many requests are under way to these ports; raises OSError or ValueError where the gateway does not say."""


class DrainSensor:
    """One task for each run that is drained; `post` receives its end."""

    def __init__(self, post: Callable[[Draft], None], under_way: UnderWay) -> None:
        self.post, self.under_way = post, under_way
        self._tasks: dict[Position, asyncio.Task[None]] = {}

    def follow(self, state: State, _: Sequence[Recorded] = ()) -> None:
        """Begin to look at the runs that are drained; a subscriber of the controller."""
        drained = {
            it.run: it for it in state.services.instances.values() if it.draining and it.state == "running" and it.run
        }  # fmt: skip
        for run in [run for run in self._tasks if run not in drained]:
            self._tasks.pop(run).cancel()
        for run, instance in drained.items():
            if run not in self._tasks and not instance.drained:
                self._tasks[run] = asyncio.ensure_future(self._watch(instance))

    async def close(self) -> None:
        """Stop looking."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, instance: Instance) -> None:
        pause_seconds = UNLED_SECONDS
        while True:
            await asyncio.sleep(pause_seconds)
            if not await self._busy(set(instance.ports.values())):
                break
            pause_seconds = LOOK_SECONDS
        self.post(Draft(RunDrained(instance=instance.name, run=instance.run), instance.draining))

    async def _busy(self, ports: set[int]) -> bool:
        """Whether somebody is still there; where the gateway does not say, nobody can be told apart."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await self.under_way(ports) > 0
        except (OSError, ValueError, TimeoutError):
            return False


class _Upstream(msgspec.Struct):
    """What the gateway says of an instance."""

    address: str
    num_requests: int


def asked_over(admin: Path | None) -> UnderWay:
    """The question to the gateway's own socket; where there is none, it is as if nobody was there."""

    async def under_way(ports: set[int]) -> int:
        if admin is None:
            return 0
        reader, writer = await connect_unix(admin)
        try:
            writer.write(b"GET /reverse_proxy/upstreams HTTP/1.0\r\nHost: localhost\r\n\r\n")
            answer = await reader.read()
        finally:
            writer.close()
        found = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=list[_Upstream])
        counts = {it.address: it.num_requests for it in found}
        return sum(count for address, count in counts.items() if int(address.rpartition(":")[2]) in ports)

    return under_way

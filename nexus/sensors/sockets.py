"""Sees which ports are open on the machine, whoever opened them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from events.catalog import PortClosed, PortOpened, PortOwner
from events.envelope import Draft
from nexus.platforms.base import Inventory, OpenSocket
from projections.ports import endpoint

LOOK_EVERY_SECONDS = 0.25

Ours = Callable[[int], str]
"""The instance that a process belongs to, empty for a stranger."""


class SocketSensor:
    """Posts what opens and what closes; several sockets at one address count as one open port.

    UDP sockets in the `ephemeral` range are clients that wait for an answer, and are left out.
    """

    def __init__(
        self, inventory: Inventory, post: Callable[[Draft], None], ours: Ours, ephemeral: tuple[int, int]
    ) -> None:
        self.inventory, self.post, self.ours, self.ephemeral = inventory, post, ours, ephemeral
        self._sockets: Counter[str] = Counter()

    async def run(self, known: Iterable[str]) -> None:
        """Look again and again; `known` are the endpoints that the history says are open."""
        self.look(known)
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            self.look()

    def look(self, known: Iterable[str] = ()) -> None:
        """Post every change since the last look, and whatever of `known` is no longer open."""
        came, gone = self.inventory.look()
        known = set(known)
        for socket in filter(self._counts, came):
            key = endpoint(socket.protocol, socket.address, socket.port)
            self._sockets[key] += 1
            if self._sockets[key] == 1 and key not in known:
                self.post(Draft(self._opened(socket)))
        for socket in filter(self._counts, gone):
            key = endpoint(socket.protocol, socket.address, socket.port)
            self._sockets[key] -= 1
            if self._sockets[key] <= 0:
                del self._sockets[key]
                closed = PortClosed(port=socket.port, protocol=socket.protocol, address=socket.address)
                self.post(Draft(closed))
        for key in sorted(known - set(self._sockets)):
            self.post(Draft(_closed(key)))

    def _counts(self, socket: OpenSocket) -> bool:
        return socket.protocol == "tcp" or not self.ephemeral[0] <= socket.port <= self.ephemeral[1]

    def _opened(self, socket: OpenSocket) -> PortOpened:
        owners = self.inventory.owners(socket)
        instance = self._instance(owners)
        service = instance.rpartition(".")[0] or None
        return PortOpened(
            port=socket.port, protocol=socket.protocol, address=socket.address, instance=instance,
            owners=tuple(msgspec.structs.replace(owner, service=service) for owner in owners),
        )  # fmt: skip

    def _instance(self, owners: Sequence[PortOwner]) -> str:
        found = (self.ours(owner.pid) for owner in owners if owner.pid is not None)
        return next((instance for instance in found if instance), "")


def _closed(key: str) -> PortClosed:
    protocol, address, port = key.split(" ")
    return PortClosed(port=int(port), protocol="udp" if protocol == "udp" else "tcp", address=address)

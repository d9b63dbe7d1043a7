"""Sees which ports are open on the machine, whoever opened them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence

import msgspec

from events.catalog import PortClosed, PortOpened, PortOwner
from events.envelope import Draft
from nexus.platforms.base import Inventory, OpenSocket
from projections.ports import endpoint

LOOK_EVERY_SECONDS = 0.25
EARLY_LOOKS = 8
"""How often between two looks it is looked at once because something was closed."""

OWNERS_EVERY_LOOKS = 20
"""How often sockets that are known are looked over for other owners: inherited ones, and those that were passed on."""

Ours = Callable[[int], str]
"""The instance that a process belongs to, empty for a stranger."""


class SocketSensor:
    """Posts what opens, what closes and who owns it; several sockets at one address are one open port.

    UDP sockets in the `ephemeral` range are clients that wait for an answer, and are left out, as is what this process
    itself holds.
    """

    def __init__(
        self, inventory: Inventory, post: Callable[[Draft], None], ours: Ours, ephemeral: tuple[int, int],
        me: int | None = None,
    ) -> None:  # fmt: skip
        self.inventory, self.post, self.ours, self.ephemeral = inventory, post, ours, ephemeral
        self.me = os.getpid() if me is None else me
        self._sockets: dict[str, dict[int, OpenSocket]] = {}
        self._sights: dict[str, tuple[frozenset[int], bool]] = {}
        self._told: set[str] = set()
        self._looks = 0

    async def run(self, known: Iterable[str]) -> None:
        """Look again and again; `known` are the endpoints that the history says are open."""
        self.look(known)
        loop = asyncio.get_running_loop()
        while True:
            ends, early = loop.time() + LOOK_EVERY_SECONDS, 0
            while early < EARLY_LOOKS and await self._hears(ends - loop.time()):
                early += 1
                self.look()
            await asyncio.sleep(max(0.0, ends - loop.time()))
            self.look()

    async def _hears(self, seconds: float) -> bool:
        """Whether something was closed within that time."""
        descriptor = self.inventory.fileno()
        if descriptor is None or seconds <= 0:
            return False
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, heard.set)
        try:
            async with asyncio.timeout(seconds):
                await heard.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(descriptor)
        return True

    def look(self, known: Iterable[str] = ()) -> None:
        """Post every change since the last look, and whatever of `known` is no longer open."""
        came, gone = self.inventory.look()
        known = set(known)
        self._told |= known
        self._looks += 1
        changed: dict[str, None] = {}
        for socket in gone:
            key = endpoint(socket.protocol, socket.address, socket.port)
            if self._sockets.get(key, {}).pop(socket.key, None) is not None:
                changed[key] = None
        for socket in filter(self._counts, came):
            key = endpoint(socket.protocol, socket.address, socket.port)
            if socket.brief:
                self._brief(key, socket)
                continue
            self._sockets.setdefault(key, {})[socket.key] = socket
            changed[key] = None
        if self._looks % OWNERS_EVERY_LOOKS == 0:
            changed |= dict.fromkeys(key for key in self._sockets if self._sight(key) != self._sights.get(key))
        for key in changed:
            self._look_at(key)
        for key in sorted(known - self._sockets.keys()):
            self._close(key)

    def _counts(self, socket: OpenSocket) -> bool:
        return socket.protocol == "tcp" or not self.ephemeral[0] <= socket.port <= self.ephemeral[1]

    def _sight(self, key: str) -> tuple[frozenset[int], bool]:
        """Who has an endpoint open, and whether it is merely bound."""
        sockets = self._sockets[key].values()
        pids = frozenset(pid for socket in sockets for pid in self.inventory.pids(socket))
        return pids, all(socket.bound for socket in sockets)

    def _look_at(self, key: str) -> None:
        """Post what has become of an endpoint, if anything has that somebody else could see."""
        sockets = self._sockets[key]
        if not sockets:
            del self._sockets[key]
            self._sights.pop(key, None)
            self._close(key)
            return
        sight = self._sight(key)
        before, self._sights[key] = self._sights.get(key), sight
        if sight[0] == {self.me}:
            self._close(key)
        elif key not in self._told or before not in (None, sight):
            self._told.add(key)
            self.post(Draft(self._opened(next(iter(sockets.values())), sockets.values())))

    def _close(self, key: str) -> None:
        if key in self._told:
            self._told.discard(key)
            protocol, address, port = key.split(" ")
            closed = PortClosed(port=int(port), protocol="udp" if protocol == "udp" else "tcp", address=address)
            self.post(Draft(closed))

    def _brief(self, key: str, socket: OpenSocket) -> None:
        """Somebody had it open between two looks: known from its end alone."""
        if key not in self._sockets:
            opened = PortOpened(port=socket.port, protocol=socket.protocol, address=socket.address, brief=True)
            self.post(Draft(opened))
            self.post(Draft(PortClosed(port=socket.port, protocol=socket.protocol, address=socket.address)))

    def _opened(self, socket: OpenSocket, sockets: Iterable[OpenSocket]) -> PortOpened:
        found: dict[PortOwner, None] = {}
        for one in sockets:
            found |= dict.fromkeys(self.inventory.owners(one))
        owners = [self._named(owner) for owner in found if owner.pid != self.me]
        return PortOpened(
            port=socket.port, protocol=socket.protocol, address=socket.address, owners=tuple(owners),
            instance=_instance(owners), bound=all(one.bound for one in sockets),
        )  # fmt: skip

    def _named(self, owner: PortOwner) -> PortOwner:
        instance = self.ours(owner.pid) if owner.pid is not None else ""
        service = instance.rpartition(".")[0] or None
        return msgspec.structs.replace(owner, service=service, instance=instance or None)


def _instance(owners: Sequence[PortOwner]) -> str:
    return next((owner.instance for owner in owners if owner.instance), "")

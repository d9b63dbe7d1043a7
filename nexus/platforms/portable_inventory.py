"""Every open port of a machine whose system has no cheaper way, through psutil: slower, and the same to see."""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from events.catalog import PortOwner
from nexus.platforms.base import OpenSocket
from nexus.platforms.sockets import owner_of


class PortableInventory:
    """The open sockets by their address; the system is asked anew at each look, and names one owner of each."""

    def __init__(self) -> None:
        self._open: dict[int, OpenSocket] = {}
        self._pids: dict[int, set[int]] = {}

    def close(self) -> None:
        """Nothing is held between two looks."""

    def look(self) -> tuple[list[OpenSocket], list[OpenSocket]]:
        """The sockets opened and those closed since the last look; unseen ones where the system refuses to tell."""
        now: dict[int, OpenSocket] = {}
        pids: dict[int, set[int]] = {}
        for connection in self._connections():
            udp = connection.status == psutil.CONN_NONE
            if not connection.laddr or not (udp or connection.status == psutil.CONN_LISTEN):
                continue
            address, port = connection.laddr.ip, connection.laddr.port
            key = hash((udp, address, port))
            now[key] = OpenSocket(key, "udp" if udp else "tcp", address, port)
            if connection.pid is not None:
                pids.setdefault(key, set()).add(connection.pid)
        came = [socket for key, socket in now.items() if key not in self._open]
        gone = [socket for key, socket in self._open.items() if key not in now]
        self._open, self._pids = now, pids
        return came, gone

    def _connections(self) -> Sequence[psutil._ntuples.sconn]:
        try:
            return psutil.net_connections(kind="inet")
        except psutil.AccessDenied:
            return []

    def fileno(self) -> None:
        """Nobody tells of closes here."""

    def pids(self, socket: OpenSocket) -> tuple[int, ...]:
        """The one process that the system names."""
        return tuple(sorted(self._pids.get(socket.key, ())))

    def owners(self, socket: OpenSocket) -> Sequence[PortOwner]:
        """Every process that has the socket open, as far as this user may see."""
        return [owner_of(pid) for pid in self.pids(socket)] or [PortOwner()]

"""Every open port of a Linux machine with all its owners, kept up to date for next to nothing.

Each look dumps the listening TCP and all UDP sockets; where the bytes equal the last look's, nothing is parsed. Closes
are pushed by the kernel. Owners are looked for only where a socket or a process's set of descriptors is new.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import pwd
from collections.abc import Container, Iterable, Sequence
from typing import Literal

from events.catalog import PortOwner
from nexus.platforms.base import OpenSocket
from nexus.platforms.linux_diag import (
    BOUND_INACTIVE,
    CLOSE,
    EVERY_STATE,
    FAMILIES,
    LISTEN,
    TCP,
    UDP,
    Diag,
    Socket,
    parse,
)
from nexus.platforms.port_rules import port_rules
from nexus.platforms.sockets import OWN_COOKIES, owner_of

BOUND_EVERY_LOOKS = 40
"""How often sockets that are bound and do not listen are looked for; only since Linux 6.8 the kernel shows them."""

BRIEF_MAX = 20
"""How many sockets that came and went between two looks are told of at once."""

VERIFIED_AT_ONCE = 100
SWEEP_EVERY_LOOKS = 20
"""How often all processes are looked over although no socket is new: for those that were handed an old one."""


class LinuxInventory:
    """The open sockets by the kernel's cookie."""

    def __init__(self) -> None:
        self._diag = Diag()
        self._open: dict[int, Socket] = {}
        self._bound: dict[int, Socket] = {}
        self._dumps: dict[tuple[int, int, int], list[bytes]] = {}
        self._owners = Owners()
        self._ephemeral = port_rules().ephemeral
        self._looks = 0

    def close(self) -> None:
        """Let the kernel's sockets go."""
        self._diag.close()

    def fileno(self) -> int:
        """Readable when a socket without a peer was closed."""
        return self._diag.fileno()

    def look(self) -> tuple[list[OpenSocket], list[OpenSocket]]:
        """The sockets opened and those closed since the last look."""
        closed, dropped = self._diag.closed()
        if dropped:
            self._dumps.clear()
        gone = [table.pop(cookie) for cookie in closed for table in (self._open, self._bound) if cookie in table]
        known = {socket.cookie for socket in gone}
        brief = [it for it in closed.values() if self._looks and it.cookie not in known and self._counts(it)]
        came: list[Socket] = []
        for family in FAMILIES:
            for protocol, states in ((TCP, 1 << LISTEN), (UDP, EVERY_STATE)):
                self._compare(self._open, family, protocol, states, closed, came, gone)
        if self._looks % BOUND_EVERY_LOOKS == 0:
            for family in FAMILIES:
                self._compare(self._bound, family, TCP, 1 << BOUND_INACTIVE, closed, came, gone)
        self._looks += 1
        gone += [self._bound.pop(it.cookie) for it in came if it.state == LISTEN and it.cookie in self._bound]
        self._owners.look(socket.inode for socket in came)
        shown = [_shown(it, brief=True) for it in brief[:BRIEF_MAX]]
        return [*map(_shown, came), *shown], [*map(_shown, gone), *shown]

    def _counts(self, socket: Socket) -> bool:
        """Whether somebody else's socket was there to be found; connections that begin take ephemeral ports."""
        if socket.cookie in OWN_COOKIES:
            OWN_COOKIES.discard(socket.cookie)
            return False
        return socket.protocol == TCP and not self._ephemeral[0] <= socket.port <= self._ephemeral[1]

    def _compare(
        self, table: dict[int, Socket], family: int, protocol: int, states: int, just_closed: Container[int],
        came: list[Socket], gone: list[Socket],
    ) -> None:  # fmt: skip
        chunks = self._diag.dump(family, protocol, states)
        if chunks == self._dumps.get((family, protocol, states)):
            return
        self._dumps[family, protocol, states] = chunks
        now = {socket.cookie: socket for socket in parse(chunks, protocol)}
        if table is self._bound:
            now = {cookie: it for cookie, it in now.items() if it.cookie not in OWN_COOKIES and self._counts(it)}
        fresh = [socket for cookie, socket in now.items() if cookie not in table and cookie not in just_closed]
        gone += [
            table.pop(cookie)
            for cookie, socket in list(table.items())
            if socket.family == family and socket.protocol == protocol and cookie not in now
        ]
        table.update((socket.cookie, socket) for socket in fresh)
        came += fresh

    def pids(self, socket: OpenSocket) -> tuple[int, ...]:
        """Every process that has the socket open, lowest first."""
        known = self._open.get(socket.key) or self._bound.get(socket.key)
        return self._owners.of(known.inode) if known else ()

    def owners(self, socket: OpenSocket) -> Sequence[PortOwner]:
        """Every process that has the socket open; where none may be seen, its user alone."""
        return [owner_of(pid) for pid in self.pids(socket)] or [PortOwner(user=_user(socket.uid))]


def _shown(socket: Socket, brief: bool = False) -> OpenSocket:
    protocol: Literal["tcp", "udp"] = "tcp" if socket.protocol == TCP else "udp"
    bound = socket.protocol == TCP and socket.state == CLOSE and not brief  # what is bound is shown as closed
    return OpenSocket(socket.cookie, protocol, socket.address, socket.port, socket.uid, bound, brief)


def _user(uid: int | None) -> str | None:
    try:
        return None if uid is None else pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class Owners:
    """Which processes have which socket inodes open; a socket may have several owners (fork, passed descriptors)."""

    def __init__(self) -> None:
        self._descriptors: dict[int, dict[str, int]] = {}
        self._pids: dict[int, set[int]] = {}
        self._sizes: dict[int, int] = {}
        self._looks = 0
        self._to_verify: list[tuple[int, str, int]] = []

    def look(self, new: Iterable[int]) -> None:
        """Find the owners of new inodes, and look again at a few descriptors that seemed unchanged."""
        wanted = set(new)
        self._looks += 1
        if wanted or self._looks % SWEEP_EVERY_LOOKS == 0:
            self._sweep(wanted)
        if not self._to_verify:
            self._to_verify = self._known()
        for pid, name, inode in self._to_verify[-VERIFIED_AT_ONCE:]:
            if _inode(f"/proc/{pid}/fd/{name}") != inode:
                self._scan(pid, fresh_only=False)
        del self._to_verify[-VERIFIED_AT_ONCE:]

    def of(self, inode: int) -> tuple[int, ...]:
        """The pids that have the inode open, lowest first."""
        return tuple(sorted(self._pids.get(inode, ())))

    def _sweep(self, wanted: set[int]) -> None:
        """First the processes whose number of descriptors changed, then, if an owner is still missing, all of them."""
        pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        for pid in self._descriptors.keys() - pids:
            self._forget(pid)
        changed = {pid for pid in pids if self._resized(pid)}
        for pid in changed:
            self._scan(pid, fresh_only=True)
        for fresh_only in (True, False):
            if not all(inode in self._pids for inode in wanted):
                for pid in pids - changed if fresh_only else pids:
                    self._scan(pid, fresh_only)

    def _known(self) -> list[tuple[int, str, int]]:
        return [
            (pid, name, inode)
            for pid, names in self._descriptors.items()
            for name, inode in names.items()
            if inode in self._pids
        ]

    def _resized(self, pid: int) -> bool:
        """Since Linux 6.2 the size of /proc/PID/fd is the number of open descriptors: a hint that costs one stat."""
        try:
            size = os.stat(f"/proc/{pid}/fd").st_size
        except OSError:
            return False
        before = self._sizes.get(pid)
        self._sizes[pid] = size
        return before != size or size == 0

    def _scan(self, pid: int, fresh_only: bool) -> None:
        folder = f"/proc/{pid}/fd/"
        known = self._descriptors.get(pid, {})
        try:
            names = os.listdir(folder)
        except OSError:
            self._forget(pid)
            return
        now = {name: known[name] if fresh_only and name in known else _inode(folder + name) for name in names}
        before, after = set(known.values()) - {0}, set(now.values()) - {0}
        for inode in before - after:
            self._disown(pid, inode)
        for inode in after - before:
            self._pids.setdefault(inode, set()).add(pid)
        self._descriptors[pid] = now

    def _forget(self, pid: int) -> None:
        self._sizes.pop(pid, None)
        for inode in set(self._descriptors.pop(pid, {}).values()) - {0}:
            self._disown(pid, inode)

    def _disown(self, pid: int, inode: int) -> None:
        owners = self._pids.get(inode)
        if owners is not None:
            owners.discard(pid)
            if not owners:
                del self._pids[inode]


def _inode(path: str) -> int:
    """The inode of the socket behind a descriptor, 0 for anything else."""
    try:
        target = os.readlink(path)
    except OSError:
        return 0
    return int(target[8:-1]) if target.startswith("socket:[") else 0

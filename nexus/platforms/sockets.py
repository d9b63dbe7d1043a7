"""Ports of a real machine: held by plain bound sockets, looked up in the system's tables."""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from events.catalog import PortOwner
from nexus.platforms.port_rules import port_rules

SO_COOKIE = 57
CONTAINER = re.compile(r"(?:docker|libpod|cri-containerd|crio|containerd|kubepods|lxc)\b.*?([0-9a-f]{64})")
TWINS = {"127.0.0.1": ("::1",), "::1": ("127.0.0.1",), "0.0.0.0": ("::",), "::": ("0.0.0.0",)}  # noqa: S104
"""The same place in the other family: to people one port, to the system two."""


OWN_COOKIES: set[int] = set()
"""The sockets that this process made to hold or to try a port, by the kernel's cookie: nobody's but ours."""


class SystemSockets:
    """Ports held for leases by this process, and who has the others."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, str], tuple[socket.socket, ...]] = {}

    def hold(self, port: int, host: str, protocol: str, *, shared: bool = False, alone: bool = False) -> str | None:
        """Keep the port from everybody else, or from all but those that reuse addresses; see `Sockets.hold`."""
        if (port, protocol) in self._held:
            return None
        held: list[socket.socket] = []
        for address in (host,) if alone else (host, *TWINS.get(host, ())):
            try:
                held.append(_bound(port, address, protocol, shared))
            except (OSError, OverflowError) as error:
                if address != host and getattr(error, "errno", None) != errno.EADDRINUSE:
                    continue  # this machine has no such address
                for holder in held:
                    holder.close()
                return _why_not(error, port, address)
        self._held[port, protocol] = tuple(held)
        return None

    def release(self, port: int, protocol: str = "") -> None:
        """Let a held port go, of both protocols where none is named; nothing happens when it is not held."""
        for word in (protocol,) if protocol else ("tcp", "udp"):
            for holder in self._held.pop((port, word), ()):
                holder.close()

    def owners(self, port: int, protocol: str = "tcp") -> Sequence[PortOwner]:
        """Who has the port open now, as far as this user may see.

        A socket whose process may not be seen gives `PortOwner()`; a port that is bound and does not listen gives none.
        """
        wanted = psutil.CONN_LISTEN if protocol == "tcp" else psutil.CONN_NONE
        pids = {
            connection.pid
            for connection in psutil.net_connections(kind="tcp" if protocol == "tcp" else "udp")
            if connection.laddr and connection.laddr.port == port and connection.status == wanted
        }
        return [owner_of(pid) for pid in sorted(pids, key=lambda pid: pid or 0)]

    def ephemeral_range(self) -> tuple[int, int]:
        """First and last port that the system hands out by itself, both included."""
        return port_rules().ephemeral


def _bound(port: int, host: str, protocol: str, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    holder = own_socket(family, socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        if family == socket.AF_INET6:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        holder.bind((host, port))
        if shared and sys.platform != "win32":
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except (OSError, OverflowError):
        holder.close()
        raise
    return holder


def own_socket(family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """A socket of ours, which the inventory leaves out."""
    made = socket.socket(family, kind)
    if sys.platform == "linux":
        OWN_COOKIES.add(int.from_bytes(made.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder))
    return made


def _why_not(error: OSError | OverflowError, port: int, host: str) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return f"port {port} is in use on {host}"
    if number == errno.EACCES:
        return f"port {port} needs more rights than this user has"
    if number == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine"
    return f"port {port} on {host}: {error}"


def owner_of(pid: int | None) -> PortOwner:
    """What may be known of a process that has a socket; its arguments are never read."""
    if pid is None:
        return PortOwner()
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return PortOwner(
                pid=pid, command=_command(process), user=process.username(), since=int(process.create_time() * 1e6),
                container=_container(pid),
            )  # fmt: skip
    except psutil.Error:
        return PortOwner(pid=pid)


def _command(process: psutil.Process) -> str:
    """The executable's name; its arguments may hold secrets and are never read."""
    try:
        return os.path.basename(process.exe()) or process.name()
    except psutil.AccessDenied:
        return process.name()


def _container(pid: int) -> str | None:
    """The short name of the container that a process runs in, from its control group."""
    try:  # there is no such file but on Linux
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            found = CONTAINER.search(file.read())
    except OSError:
        return None
    return found[1][:12] if found else None


def ancestors(pid: int) -> list[int]:
    """The processes that a process descends from, the nearest first; those that ended are left out."""
    try:
        return [process.pid for process in psutil.Process(pid).parents()]
    except psutil.Error:
        return []


def marked(pid: int, home: Path) -> str:
    """The instance that a process of this home was started for, by its environment: it may have left its parents."""
    try:
        environment = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return ""
    return environment.get("NEXUS_INSTANCE", "") if environment.get("NEXUS_HOME") == str(home) else ""

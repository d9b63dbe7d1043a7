"""Where the web API listens: a TCP port whose dead clients are let go, and a unix socket for our own programs."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

if sys.platform != "win32":
    from nexus.platforms.control import is_allowed, listen_at, peer_of, socket_path

UNACKNOWLEDGED_MILLISECONDS = 15_000
"""How long a client may leave what was sent to it unread before the system closes its connection."""

BACKLOG = 1_024
SEND_BUFFER_BYTES = 131_072
"""Bounded, so that a client which reads nothing is noticed soon and holds little."""


def listen_tcp(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS)
    listener.setblocking(False)
    return listener


DROPPED = 40
"""SO_RXQ_OVFL of Linux: with each datagram comes how many were dropped before it."""

DATAGRAM_BYTES_MAX = 65_536


def listen_udp(port: int) -> socket.socket:
    """A loopback socket with room for many datagrams; raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if sys.platform == "linux":
            listener.setsockopt(socket.SOL_SOCKET, DROPPED, 1)
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def datagram(listener: socket.socket) -> tuple[bytes, int | None]:
    """The next datagram and how many were dropped so far, None where nobody says; raises BlockingIOError."""
    if sys.platform != "linux":
        return listener.recv(DATAGRAM_BYTES_MAX), None
    else:  # noqa: RET505 - mypy leaves it out elsewhere
        data, ancillary, _, _ = listener.recvmsg(DATAGRAM_BYTES_MAX, socket.CMSG_SPACE(4))
        told = [it for level, kind, it in ancillary if level == socket.SOL_SOCKET and kind == DROPPED]
        return data, int.from_bytes(told[0], sys.byteorder) if told else None


def socket_of(home: Path, purpose: str) -> Path | None:
    """Where a part of Nexus has its unix socket for a home; None where the system has none."""
    if sys.platform == "win32":
        return None
    else:  # noqa: RET505 - mypy leaves it out elsewhere
        return socket_path(home, purpose)


def api_socket(home: Path) -> Path | None:
    """The unix socket on which the web API of a home answers; None where the system has none."""
    return socket_of(home, "-api")


def listen_unix(home: Path) -> socket.socket | None:
    """A listening unix socket that only its owner can open, None where the system has none; raises OSError."""
    if sys.platform == "win32":
        return None
    else:  # noqa: RET505 - mypy leaves it out elsewhere
        listener = listen_at(socket_path(home, "-api"))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return listener


def close_unix(home: Path) -> None:
    """Remove the unix socket of a server that ends."""
    path = api_socket(home)
    if path is not None:
        path.unlink(missing_ok=True)


async def connect_unix(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a unix socket; raises OSError, as where the system has none."""
    if sys.platform == "win32":
        raise OSError("this system has no unix sockets")
    else:  # noqa: RET506 - mypy leaves it out elsewhere
        return await asyncio.open_unix_connection(str(path))


def peer_name(connection: socket.socket) -> str | None:
    """Who is at the other end of a unix socket: "" for somebody who may not be there; None for other sockets."""
    if sys.platform == "win32":
        return None
    else:  # noqa: RET505 - mypy leaves it out elsewhere
        if connection.family != socket.AF_UNIX:
            return None
        peer = peer_of(connection)
        return peer.user if is_allowed(peer) else ""

"""The kernel's own table of sockets, through netlink sock_diag (linux/inet_diag.h): every socket, also unprivileged.

A socket is named by its cookie, which the kernel never uses twice; the inode only serves to find the owners.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator

import msgspec

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
DUMP_REQUEST = 0x301
DONE, ERROR = 3, 2
FAMILIES = (2, 10)
TCP, UDP = 6, 17
LISTEN, BOUND_INACTIVE, CLOSE = 10, 13, 7
EVERY_STATE = 0xFFFFFFFF
CLOSE_GROUPS = 0b1111
MESSAGE_BYTES = 88
PROTOCOL_OFFSET = 92
SO_ATTACH_FILTER = 26
WITHOUT_PEER = (0x28, 0, 0, 22), (0x15, 0, 1, 0), (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0)
"""A socket filter: load the peer's port, take the message where it is 0, drop it otherwise."""


_request = struct.Struct("=IHHIIBBBBI48x")
_header = struct.Struct("=IH")
_error = struct.Struct("=i")
_program = struct.Struct("=HBBI")
_unpackers: dict[int, struct.Struct] = {}


class Socket(msgspec.Struct, frozen=True):
    """One socket as the kernel knows it; `peer_port` is 0 where it has no peer."""

    cookie: int
    family: int
    protocol: int
    state: int
    port: int
    peer_port: int
    local: bytes
    peer: bytes
    uid: int
    inode: int

    @property
    def address(self) -> str:
        """The local address in the usual notation."""
        return _address(self.family, self.local)

    @property
    def peer_address(self) -> str:
        """The address of the other end in the usual notation."""
        return _address(self.family, self.peer)


def _address(family: int, raw: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if family == 2 else socket.AF_INET6, raw[:4] if family == 2 else raw)


class Diag:
    """A netlink socket that dumps the table and hears of every close of a socket without a peer.

    Raises OSError where the kernel has none. Closes of connections are dropped by the kernel: they cost nothing.
    """

    def __init__(self) -> None:
        self._ask = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)  # type: ignore[attr-defined,unused-ignore]
        self._ask.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._ask.bind((0, 0))
        self._ask.settimeout(5.0)
        flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK  # type: ignore[attr-defined,unused-ignore]
        self._hear = socket.socket(socket.AF_NETLINK, flags, NETLINK_SOCK_DIAG)  # type: ignore[attr-defined,unused-ignore]
        self._hear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        program = ctypes.create_string_buffer(b"".join(_program.pack(*step) for step in WITHOUT_PEER))
        pointer = struct.pack("HL", len(WITHOUT_PEER), ctypes.addressof(program))
        self._hear.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
        self._hear.bind((0, CLOSE_GROUPS))
        self._buffer = bytearray(1 << 18)

    def close(self) -> None:
        """Close both netlink sockets."""
        self._ask.close()
        self._hear.close()

    def fileno(self) -> int:
        """Readable whenever sockets were closed."""
        return self._hear.fileno()

    def dump(self, family: int, protocol: int, states: int) -> list[bytes]:
        """The raw messages of one dump: equal bytes mean that nothing changed."""
        self._ask.send(
            _request.pack(72, SOCK_DIAG_BY_FAMILY, DUMP_REQUEST, 1, 0, family, protocol, 0, 0, states)
        )  # fmt: skip
        chunks: list[bytes] = []
        while True:
            size = self._ask.recv_into(self._buffer)
            chunk = bytes(memoryview(self._buffer)[:size])
            kind = _header.unpack_from(chunk, 0)[1]
            if kind == ERROR:
                raise OSError(-_error.unpack_from(chunk, 16)[0], "the kernel refused a sock_diag dump")
            if kind == DONE:
                return chunks
            chunks.append(chunk)

    def closed(self) -> tuple[dict[int, Socket], bool]:
        """The sockets closed since the last call by cookie, and whether the kernel had to drop some of them.

        The kernel no longer knows whose they were.
        """
        found: dict[int, Socket] = {}
        while True:
            try:
                message = self._hear.recv(65_536)
            except BlockingIOError:
                return found, False
            except OSError:
                return found, True
            _, _, family, state, port, peer_port, local, peer, cookie, uid, inode = _swapped(
                _unpacker(MESSAGE_BYTES).unpack_from(message)
            )
            protocol = message[PROTOCOL_OFFSET] if len(message) > PROTOCOL_OFFSET else TCP
            found[cookie] = Socket(cookie, family, protocol, state, port, peer_port, local, peer, uid, inode)


def parse(chunks: list[bytes], protocol: int) -> Iterator[Socket]:
    """The sockets in a dump's messages; those without an inode belong to nobody any more and are left out."""
    for chunk in chunks:
        length = (_header.unpack_from(chunk, 0)[0] + 3) & ~3
        for row in _rows(chunk, length):
            _, kind, family, state, port, peer_port, local, peer, cookie, uid, inode = row
            if kind == SOCK_DIAG_BY_FAMILY and inode:
                yield Socket(cookie, family, protocol, state, port, peer_port, local, peer, uid, inode)


def _rows(chunk: bytes, length: int) -> Iterator[tuple[int, int, int, int, int, int, bytes, bytes, int, int, int]]:
    """One struct that eats a whole message lets `iter_unpack` run in C; a mixed chunk is walked message by message."""
    if length >= MESSAGE_BYTES and len(chunk) % length == 0:
        rows = list(_unpacker(length).iter_unpack(chunk))
        if all((row[0] + 3) & ~3 == length for row in rows):
            yield from (_swapped(row) for row in rows)
            return
    offset = 0
    while offset + MESSAGE_BYTES <= len(chunk):
        yield _swapped(_unpacker(MESSAGE_BYTES).unpack_from(chunk, offset))
        offset += (_header.unpack_from(chunk, offset)[0] + 3) & ~3


def _unpacker(length: int) -> struct.Struct:
    known = _unpackers.get(length)
    if known is None:
        # header | family state | ports | addresses | interface | cookie | timers | uid inode
        known = _unpackers[length] = struct.Struct(f"=IH10xBB2x2s2s16s16s4xQ12xII{length - MESSAGE_BYTES}x")
    return known


def _swapped(row: tuple) -> tuple:  # type: ignore[type-arg]
    """Ports travel in network order."""
    length, kind, family, state, port, peer_port, *rest = row
    return (length, kind, family, state, int.from_bytes(port, "big"), int.from_bytes(peer_port, "big"), *rest)

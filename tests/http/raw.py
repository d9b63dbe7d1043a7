"""Requests as bytes, for what no well-behaved client would send."""

from __future__ import annotations

import socket


def send(port: int, head: str, body: bytes = b"\r\n\r\n") -> bytes:
    """The whole answer to a request that is sent as it is; `body` begins with the end of the head."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + body)
        answer = b""
        while piece := _read(connection):
            answer += piece
        return answer


def _read(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionResetError:
        return b""


def status(answer: bytes) -> int:
    """The status of an answer."""
    return int(answer.split(b" ", 2)[1])

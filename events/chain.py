"""The hash chain: each event vouches for everything before it.

    hash = SHA-256(previous ‖ MessagePack array of the columns before `data` ‖ data)

MessagePack prefixes every column with its type and length and says where the array ends; so no two different rows hash
the same bytes. What is hashed is the text that was stored, never text that was encoded again. The first event of a
log follows `genesis(log_id)`; the first event of each later file follows the last event of the file before it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from events.envelope import Micros, Position

Row = tuple[Any, ...]
"""One event as stored: a value for each of `COLUMNS`."""

COLUMNS = (
    "seq", "id", "stream", "version", "kind", "schema", "at", "seen", "cause", "correlation", "basis", "actor",
    "data", "hash",
)  # fmt: skip
HEADER = COLUMNS.index("data")
"""How many columns come before the data."""

encode_header = msgspec.msgpack.Encoder().encode


class Head(msgspec.Struct, frozen=True):
    """The last event of a log: its position, its moment (µs UTC) and its hash; false where there is none."""

    seq: Position
    at: Micros
    hash: bytes

    def __bool__(self) -> bool:
        return self.seq > 0


def genesis(log_id: str) -> bytes:
    """What the first event of a log follows: it names the log, so that two logs never share a chain."""
    return sha256(b"luminar-nexus log " + log_id.encode()).digest()


def link(previous: bytes, header: Row, data: bytes) -> bytes:
    """The hash of the event with these columns and this data, after `previous`."""
    return sha256(previous + encode_header(header) + data).digest()

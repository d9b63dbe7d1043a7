"""What the writer adds to each event: its id, its place in its stream, its correlation and its link in the chain."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from events.catalog import CommandReceived
from events.chain import Head, Row, link
from events.codec import NAMES, encode
from events.envelope import Micros, Position, Recorded
from events.errors import DuplicateCommandError, OutOfOrderError

REMEMBERED_MAX = 20_000
"""How many correlations are kept at hand; older ones are looked up."""

_VARIANTS = tuple(bytes([0x80 | low]) for low in range(64))


class Lookup(Protocol):
    """What the ledger asks about events that it no longer remembers."""

    def version_of(self, stream: str) -> int:
        """How many events the stream has."""

    def correlation_of(self, seq: Position) -> Position:
        """The correlation of an earlier event."""

    def position_of(self, command_id: str) -> Position | None:
        """Where that command was received, None if it never was."""


class Ledger:
    """Turns batches into rows; nothing counts as recorded until `accept`."""

    def __init__(self, head: Head, lookup: Lookup) -> None:
        self.head = head
        self.lookup = lookup
        self._versions: dict[str, int] = {}
        self._correlations: dict[Position, Position] = {}
        self._proposed: dict[str, int] = {}

    def rows(self, batch: Sequence[Recorded]) -> list[Row]:
        """The rows of a batch that follows the head.

        Raises OutOfOrderError when it does not, DuplicateCommandError when it holds a command received before.
        """
        self._check(batch)
        versions: dict[str, int] = {}
        known, correlations = self._versions, self._correlations
        previous, rows = self.head.hash, []
        id_at, id_start = -1, b""
        chance = os.urandom(7 * len(batch))
        for offset, it in enumerate(batch):
            seq, at, event, cause = it.seq, it.at, it.event, it.cause
            if at != id_at:
                id_at, id_start = at, _id_start(at)
            kind, schema = NAMES[type(event)]
            stream = event.stream
            version = versions[stream] = (versions.get(stream) or known.get(stream) or self._version(stream)) + 1
            correlation = correlations[seq] = (
                seq if cause is None else correlations.get(cause) or self.lookup.correlation_of(cause)
            )
            id = id_start + _VARIANTS[seq & 63] + chance[offset * 7 : offset * 7 + 7]
            data = encode(event)
            header = (seq, id, stream, version, kind, schema, at, it.seen, cause, correlation, it.basis, it.actor)
            previous = link(previous, header, data)
            rows.append((*header, data.decode(), previous))
        self._proposed = versions
        return rows

    def accept(self, rows: Sequence[Row]) -> None:
        """These rows, the last that were asked for, are durable now."""
        last = rows[-1]
        self.head = Head(last[0], last[6], last[13])
        self._versions.update(self._proposed)
        if len(self._correlations) > REMEMBERED_MAX:
            for seq in list(self._correlations)[: -REMEMBERED_MAX // 2]:
                del self._correlations[seq]

    def _version(self, stream: str) -> int:
        version = self._versions[stream] = self.lookup.version_of(stream)
        return version

    def _check(self, batch: Sequence[Recorded]) -> None:
        expected, at = self.head.seq + 1, self.head.at
        commands: dict[str, Position] = {}
        for it in batch:
            if it.seq != expected or it.at < at or (it.cause is not None and not 0 < it.cause < it.seq):
                raise OutOfOrderError(_out_of_order(it, expected, at))
            expected, at = expected + 1, it.at
            if type(it.event) is CommandReceived and it.event.command_id:
                name = it.event.command_id
                first = commands.get(name) or self.lookup.position_of(name)
                if first is not None:
                    raise DuplicateCommandError(name, first)
                commands[name] = it.seq


def _out_of_order(it: Recorded, seq: Position, at: Micros) -> str:
    kind = it.event.kind()
    if it.seq != seq:
        return f"{kind}: expected position {seq}, found {it.seq}; the state it came from is not that of this log."
    if it.at < at:
        return f"{kind} at position {seq}: its moment {it.at} is before {at}, the moment of the event before it."
    return f"{kind} at position {seq}: its cause {it.cause} is not an earlier event."


def _id_start(at: Micros) -> bytes:
    """The first half of a UUIDv7 (RFC 9562, method 3): milliseconds, version, and the fraction of the millisecond."""
    milliseconds, rest = divmod(at, 1000)
    return (milliseconds << 16 | 0x7000 | rest * 4096 // 1000).to_bytes(8, "big")

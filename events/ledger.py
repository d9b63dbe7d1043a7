"""What the writer adds to each event: its id, its place in its stream, its correlation and its link in the chain."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Protocol

from events.catalog import CommandReceived, Event, InstanceDecision, InstanceEvent
from events.chain import Head, Row, encode_header
from events.codec import NAMES, encode
from events.envelope import Micros, Position, Recorded
from events.errors import DuplicateCommandError, OutOfOrderError

REMEMBERED_MAX = 20_000
"""How many correlations are kept at hand; older ones are looked up."""

_pack = struct.Struct(">QQ").pack

_KINDS = {
    kind: (name, schema, kind.stream in (InstanceEvent.stream, InstanceDecision.stream))
    for kind, (name, schema) in NAMES.items()
}
"""The word and schema of each kind, and whether its stream is that of its instance: then it is worked out once."""


class Lookup(Protocol):
    """What the ledger asks about events that it no longer remembers."""

    def version_of(self, stream: str) -> int:
        """How many events the stream has."""

    def correlation_of(self, seq: Position) -> Position:
        """The correlation of an earlier event."""

    def position_of(self, command_id: str) -> Position | None:
        """Where that command was received, None if it never was."""


class Ledger:
    """Turns batches into rows, and knows the head."""

    def __init__(self, head: Head, lookup: Lookup) -> None:
        self.head = head
        self.lookup = lookup
        self._versions: dict[str, int] = {}
        self._correlations: dict[Position, Position] = {}
        self._streams: dict[str, str] = {}

    @contextlib.contextmanager
    def recording(self, batch: Sequence[Recorded]) -> Iterator[list[Row]]:
        """The rows of a batch; they are recorded when the block ends, and never were when it fails.

        Raises OutOfOrderError when the batch does not follow the head, DuplicateCommandError when it holds a command
        that was received before.
        """
        try:
            rows = self._rows(batch)
            yield rows
        except BaseException:
            self._versions.clear()
            raise
        last = rows[-1]
        self.head = Head(last[0], last[6], last[13])
        if len(self._correlations) > REMEMBERED_MAX:
            for seq in list(islice(self._correlations, REMEMBERED_MAX // 2)):
                del self._correlations[seq]

    def _rows(self, batch: Sequence[Recorded]) -> list[Row]:
        versions, correlations, streams, lookup = self._versions, self._correlations, self._streams, self.lookup
        expected, at, previous = self.head.seq, self.head.at, self.head.hash
        rows: list[Row] = []
        for it, id in zip(batch, _ids(batch), strict=True):
            seq, moment, event, cause = it.seq, it.at, it.event, it.cause
            expected += 1
            if seq != expected or moment < at or (cause is not None and not 0 < cause < seq):
                raise OutOfOrderError(_out_of_order(it, expected, at))
            at = moment
            kind, schema, of_instance = _KINDS[type(event)]
            if of_instance:
                stream = streams.get(event.instance) or self._stream(event)  # type: ignore[attr-defined]
            else:
                stream = event.stream
                if kind == "command.received":
                    self._refuse_repeated(event, batch, seq)
            version = versions.get(stream)
            version = versions[stream] = (lookup.version_of(stream) if version is None else version) + 1
            correlation = correlations[seq] = (
                seq if cause is None else correlations.get(cause) or lookup.correlation_of(cause)
            )
            data = encode(event)
            header = (
                seq, id, stream, version, kind, schema,
                at, it.seen, cause, correlation, it.basis, it.actor,
            )  # fmt: skip
            previous = sha256(previous + encode_header(header) + data).digest()
            rows.append((*header, data.decode(), previous))
        return rows

    def _stream(self, event: Event) -> str:
        stream = self._streams[event.instance] = event.stream  # type: ignore[attr-defined]
        return stream

    def _refuse_repeated(self, event: Event, batch: Sequence[Recorded], seq: Position) -> None:
        assert isinstance(event, CommandReceived)
        name = event.command_id
        if not name:
            return
        first = self.lookup.position_of(name)
        for it in batch:
            if first is not None:
                raise DuplicateCommandError(name, first)
            if it.seq == seq:
                return
            if isinstance(it.event, CommandReceived) and it.event.command_id == name:
                first = it.seq


def _out_of_order(it: Recorded, seq: Position, at: Micros) -> str:
    kind = it.event.kind()
    if it.seq != seq:
        return f"{kind}: expected position {seq}, found {it.seq}; the state it came from is not that of this log."
    if it.at < at:
        return f"{kind} at position {seq}: its moment {it.at} is before {at}, the moment of the event before it."
    return f"{kind} at position {seq}: its cause {it.cause} is not an earlier event."


def _ids(batch: Sequence[Recorded]) -> list[bytes]:
    """A UUIDv7 (RFC 9562) for each: milliseconds, version, the microseconds within, variant, chance that counts on."""
    chance = 1 << 63 | int.from_bytes(os.urandom(7))
    return [_pack(it.at // 1000 << 16 | 0x7000 | it.at % 1000 << 2, chance + number) for number, it in enumerate(batch)]

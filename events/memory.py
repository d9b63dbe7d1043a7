"""A log without a disk, for simulation: the same promises, kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from events.catalog import CommandReceived, Event, LogOpened
from events.chain import Head, Row, genesis
from events.codec import decode
from events.envelope import Micros, Position, Recorded
from events.ledger import Ledger

PAGE = 1_000


class MemoryLog:
    """Begins with LogOpened at position 1, recorded at `at`, like any log."""

    def __init__(self, log_id: str = "simulated", at: Micros = 0) -> None:
        self.log_id = log_id
        self.wants_rotation = False
        self._rows: list[Row] = []
        self._commands: dict[str, Position] = {}
        self._ledger = Ledger(Head(0, 0, genesis(log_id)), self)
        self.append([Recorded(1, at, LogOpened(log_id=log_id))])

    @property
    def head(self) -> Head:
        """The last event."""
        return self._ledger.head

    def take_problems(self) -> list[Event]:
        """Memory has none to tell."""
        return []

    def append(self, batch: Sequence[Recorded]) -> None:
        """All events of the batch are in the log when this returns.

        Raises DuplicateCommandError when one is a command that was received before, and OutOfOrderError when the
        batch does not follow the head.
        """
        if not batch:
            return
        with self._ledger.recording(batch) as rows:
            self._rows += rows
        for it in batch:
            if isinstance(it.event, CommandReceived) and it.event.command_id:
                self._commands[it.event.command_id] = it.seq

    def rotate(self, at: Micros, state: bytes) -> Recorded:
        """Close the books: an event that carries the whole `state` (JSON)."""
        head = self.head
        opened = Recorded(head.seq + 1, at, LogOpened(
            log_id=self.log_id, previous_seq=head.seq, previous_hash=head.hash.hex(), reason="rotated",
            state=msgspec.Raw(state),
        ))  # fmt: skip
        self.append([opened])
        return opened

    def read(self, after: Position = 0, until: Position | None = None) -> Iterator[Recorded]:
        """Every event after `after`, up to and including `until`."""
        position = max(after, 0)
        while rows := self._rows[position : position + PAGE]:
            for row in rows:
                if until is not None and row[0] > until:
                    return
                seq, _, _, _, kind, schema, at, seen, cause, _, basis, actor, data, _ = row
                yield Recorded(seq, at, decode(kind, schema, data), cause, basis, actor, seen)
            position += len(rows)

    def position_of(self, command_id: str) -> Position | None:
        """Where a command was received, None if it never was."""
        return self._commands.get(command_id)

    def version_of(self, stream: str) -> int:
        """How many events a stream has."""
        return max((row[3] for row in self._rows if row[2] == stream), default=0)

    def correlation_of(self, seq: Position) -> Position:
        """The first event of the story that an event belongs to."""
        return int(self._rows[seq - 1][9])

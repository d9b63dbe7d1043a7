"""A part of a history as a log of its own, which every reader can read and whose chain can be checked.

Its events are the same rows with the same hashes. Where it does not begin with the first event of a file, an opening
with the reason `bundled` stands in the place of the event before: it carries the state of that moment, and the hash
that the next event follows. Nobody writes to such a log.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable
from pathlib import Path

import msgspec

from events import rotation
from events.catalog import LogOpened
from events.chain import Row, link
from events.codec import encode
from events.files import OutsideHead, write_head
from events.reader import Stored
from events.rotation import Carried
from events.schema import INSERT, connect

PAGE = 1_000


def opening(before: Stored, log_id: str, state: bytes) -> Row:
    """What stands in the place of the event `before`: the `state` (JSON) once that one had happened."""
    opened = LogOpened(
        log_id=log_id, previous_seq=before.seq, previous_hash=before.hash.hex(), reason="bundled",
        state=msgspec.Raw(state),
    )  # fmt: skip
    data = encode(opened)
    id = uuid.uuid5(uuid.NAMESPACE_OID, before.hash.hex()).bytes
    header = (
        before.seq, id, opened.stream, 0, opened.kind(), opened.schema, before.at,
        None, None, before.seq, None, None,
    )  # fmt: skip
    return (*header, data.decode(), link(before.hash, header, data))


def write(home: Path, log_id: str, first: Row | None, rows: Iterable[Stored]) -> None:
    """Write a log of these events into an empty home, after `first` where they need an opening."""
    copy = _Copy(home)
    try:
        if first is not None:
            copy.begin(first)
        for stored in rows:
            copy.add(stored)
        copy.finish()
    finally:
        copy.close()
    if copy.last is not None:
        last = copy.last
        write_head(home, OutsideHead(log_id, last.seq, last.at, last.hash.hex()))


class _Copy:
    """The files that are written, each begun where the copied log began one."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.files: list[sqlite3.Connection] = []
        self.last: Stored | None = None
        self.position = 0
        self.waiting: list[Row] = []

    def begin(self, first: Row) -> None:
        """A new file."""
        self._write()
        path = rotation.create(self.home, len(self.files) + 1, first, Carried(), connect)
        self.files.append(connect(path))
        self.position = first[0]

    def add(self, stored: Stored) -> None:
        """One more event."""
        row: Row = msgspec.structs.astuple(stored)
        if stored.kind == LogOpened.kind():
            self.begin(row)
        else:
            if stored.seq != self.position + 1:
                self._write()
                self.files[-1].execute("DROP TRIGGER IF EXISTS events_gapless")
            self.waiting.append(row)
            if len(self.waiting) >= PAGE:
                self._write()
        self.last, self.position = stored, stored.seq

    def _write(self) -> None:
        if self.waiting:
            connection = self.files[-1]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, self.waiting)
            connection.execute("COMMIT")
            self.waiting.clear()

    def finish(self) -> None:
        """Say in each file which versions its streams had before, and leave nothing in a write-ahead log."""
        self._write()
        before: dict[str, int] = {}
        for connection in self.files:
            for stream, version in connection.execute("SELECT stream, min(version) FROM events GROUP BY stream"):
                before.setdefault(stream, version - 1)
        streams = {stream: version for stream, version in before.items() if version > 0}
        for connection in self.files:
            connection.executemany("INSERT INTO carried_streams VALUES (?, ?)", list(streams.items()))
            carried = rotation.carried(connection)
            streams = carried.streams
            rotation.finish(connection)

    def close(self) -> None:
        """Let go of the files."""
        for connection in self.files:
            connection.close()

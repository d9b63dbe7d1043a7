"""Cuts the power of a simulated disk: what was not synced may be there, not at all, or half.

APSW lets SQLite write through a virtual file system of our own, which keeps a list of everything that the log does to
its file and its write-ahead log. A power cut at some point of that list leaves everything that was synced by then,
and of the rest whatever chance decides, sector by sector.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

import apsw
import msgspec

from events import files
from events.chain import Row
from events.files import OutsideHead
from events.log import Log
from tests.events.samples import day

VFS = "recorder"
SECTOR = 512
ALIVE = 0.5
TORN = 0.3
File = Literal["db", "wal"]


class Op(msgspec.Struct):
    """Something that was done to a file; `acknowledged` is a position that was promised to be durable instead."""

    kind: Literal["write", "truncate", "sync", "acknowledged"]
    file: File = "db"
    offset: int = 0
    content: bytes = b""


class Recorder(apsw.VFS):
    """A file system that writes down what is done to it."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        super().__init__(VFS, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        """Open a file of the log."""
        return RecordedFile(self.ops, name, flags)


class RecordedFile(apsw.VFSFile):
    """A file whose changes are written down."""

    def __init__(self, ops: list[Op], name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self.ops = ops
        self.file: File = "wal" if path.endswith("-wal") else "db"
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        """Something is written."""
        self.ops.append(Op("write", self.file, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        """The file is cut or made longer."""
        self.ops.append(Op("truncate", self.file, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Everything written so far must survive a power cut."""
        self.ops.append(Op("sync", self.file))
        super().xSync(flags)


class Adapter:
    """As much of a `sqlite3.Connection` as the log uses, over a connection of APSW."""

    def __init__(self, path: Path, checkpoint_pages: int) -> None:
        self._connection = apsw.Connection(str(path), vfs=VFS)
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}").fetchall()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> apsw.Cursor:
        """Run one statement."""
        return self._connection.execute(statement, values)

    def executemany(self, statement: str, rows: Sequence[Row]) -> apsw.Cursor:
        """Run one statement for many rows."""
        return self._connection.executemany(statement, rows)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


class Recording(msgspec.Struct):
    """A log's life on disk: its file when it began, everything done since, and the head after each append."""

    begin: bytes
    ops: list[Op]
    heads: dict[int, OutsideHead]


def record(home: Path, appends: int, seed: int, synchronous: str = "FULL") -> Recording:
    """Append for a while on a disk that is written down; checkpoints are frequent, so that they are cut as well."""
    chance, recorder = Random(seed), Recorder()
    Log.open(home, ballast_bytes=4096).close()
    begin = files.path_of(home, 1).read_bytes()
    checkpoint_pages = chance.choice((8, 20, 60))

    def connect(path: Path) -> sqlite3.Connection:
        return cast(sqlite3.Connection, Adapter(path, checkpoint_pages))

    heads: dict[int, OutsideHead] = {}
    with Log.open(home, ballast_bytes=4096, connect=connect) as log:
        log._connection.execute(f"PRAGMA synchronous = {synchronous}").fetchall()
        for number in range(appends):
            recorder.ops.append(Op("acknowledged", offset=log.head.seq))
            heads[log.head.seq] = OutsideHead.of(log.log_id, log.head)
            log.append(day(log.head.seq, chance.randrange(1, 9), number, at=log.head.at))
    recorder.unregister()
    return Recording(begin, recorder.ops, heads)


def cut(recording: Recording, at: int, chance: Random, home: Path) -> int:
    """Leave in `home` what a power cut before operation `at` leaves; the position that had been acknowledged."""
    disk = {"db": bytearray(recording.begin), "wal": bytearray()}
    unsynced: dict[str, list[Op]] = {"db": [], "wal": []}
    acknowledged = 1
    for op in recording.ops[:at]:
        if op.kind == "acknowledged":
            acknowledged = op.offset
        elif op.kind == "sync":
            for earlier in unsynced[op.file]:
                _apply(disk[op.file], earlier)
            unsynced[op.file] = []
        else:
            unsynced[op.file].append(op)
    for file, ops in unsynced.items():
        for op in ops:
            if chance.random() < ALIVE:
                _apply(disk[file], _torn(op, chance))
    home.mkdir()
    files.path_of(home, 1).write_bytes(disk["db"])
    if disk["wal"]:
        files.path_of(home, 1).with_name("events-000001.db-wal").write_bytes(disk["wal"])
    (home / files.HEAD).write_bytes(msgspec.json.encode(recording.heads[acknowledged]))
    return acknowledged


def _torn(op: Op, chance: Random) -> Op:
    """Sometimes only the first sectors of a write reach the disk."""
    if op.kind != "write" or len(op.content) <= SECTOR or chance.random() >= TORN:
        return op
    return Op("write", op.file, op.offset, op.content[: SECTOR * chance.randrange(1, len(op.content) // SECTOR + 1)])


def _apply(content: bytearray, op: Op) -> None:
    if op.kind == "truncate":
        del content[op.offset :]
        content.extend(bytes(op.offset - len(content)))
        return
    content.extend(bytes(max(0, op.offset - len(content))))
    content[op.offset : op.offset + len(op.content)] = op.content

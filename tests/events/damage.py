"""Ways to damage a history, as disks, programs and people do."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from events.envelope import Position


def shell(path: Path, statement: str, *values: Any) -> None:
    """What somebody with write access and bad intentions can do to a file."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute("DROP INDEX events_stream")
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement, values)
    for _, sql in triggers:
        connection.execute(sql)
    connection.commit()
    connection.close()


def flip(path: Path, seq: Position, column: str, bit: int) -> None:
    """Flip one bit of one column of one event."""
    connection = sqlite3.connect(path)
    (value,) = connection.execute(f"SELECT {column} FROM events WHERE seq = ?", (seq,)).fetchone()
    connection.close()
    shell(path, f"UPDATE events SET {column} = ? WHERE seq = ?", flipped(value, bit), seq)


def flipped(value: int | str | bytes, bit: int) -> int | str | bytes:
    """The value with one bit of it flipped; a text stays one."""
    if isinstance(value, int):
        return value ^ 1 << bit
    content = bytearray(value.encode() if isinstance(value, str) else value)
    content[bit // 8 % len(content)] ^= 1 << bit % 7
    return bytes(content) if isinstance(value, bytes) else content.decode("ascii")


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """Write over a part of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)

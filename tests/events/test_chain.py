"""The hash chain."""

from __future__ import annotations

import hashlib
import sqlite3
from itertools import combinations
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events.chain import COLUMNS, HEADER, genesis, link
from tests.events.samples import recorded


def test_anybody_can_compute_it(tmp_path: Path) -> None:
    """A history can be checked from its description alone: SHA-256, MessagePack, and the columns as they are stored."""
    recorded(tmp_path, 20)
    rows = sqlite3.connect(tmp_path / "events-000001.db").execute("SELECT * FROM events ORDER BY seq").fetchall()
    log_id = rows[0][12].partition('"log_id":"')[2][:32]
    previous = hashlib.sha256(b"luminar-nexus log " + log_id.encode()).digest()
    for row in rows:
        header = b"\x9c" + b"".join(map(packed, row[:12]))
        previous = hashlib.sha256(previous + header + row[12].encode()).digest()
        assert previous == row[13]


def packed(value: Any) -> bytes:
    """MessagePack, written down from its specification for what the columns hold."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bytes):
        return b"\xc4" + bytes([len(value)]) + value
    if isinstance(value, str):
        text = value.encode()
        return (bytes([0xA0 | len(text)]) if len(text) < 32 else b"\xd9" + bytes([len(text)])) + text
    if value < 128:
        return bytes([value])
    for size, tag in ((1, 0xCC), (2, 0xCD), (4, 0xCE), (8, 0xCF)):
        if value < 1 << 8 * size:
            return bytes([tag]) + int(value).to_bytes(size, "big")
    raise OverflowError(value)


def test_the_header_is_every_column_but_data_and_hash() -> None:
    """A column that is added later is covered by putting it before the data."""
    assert COLUMNS[HEADER:] == ("data", "hash")


def test_two_logs_never_share_a_chain() -> None:
    """The first link names the log."""
    assert genesis("a") != genesis("b")
    assert link(genesis("a"), (1,), b"{}") != link(genesis("b"), (1,), b"{}")


CELLS = st.one_of(st.none(), st.integers(0, 300), st.text(max_size=3), st.binary(max_size=3))


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=2, max_size=8, unique_by=lambda row: repr(row)))
def test_different_rows_have_different_hashes(rows: list[tuple[Any, ...]]) -> None:
    """No text can be moved over the border of a column, and 1, "1" and None are not the same."""
    hashes = [link(genesis("a"), row, b"{}") for row in rows]
    assert all(one != other for one, other in combinations(hashes, 2))

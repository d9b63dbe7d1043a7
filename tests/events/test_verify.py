"""Verification finds whatever was changed."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from pathlib import Path
from random import Random

import msgspec
import pytest

from events import files
from events.chain import COLUMNS, Row
from events.envelope import Position, Recorded
from events.log import Log
from events.verify import verify
from tests.events.damage import flip, overwrite, shell
from tests.events.samples import NOON, append_all, command, day, recorded, started

LAST = 40


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Forty events, one of which has a value in every column."""
    home = tmp_path / "home"
    with Log.open(home, now=lambda: NOON, ballast_bytes=4096) as log:
        append_all(log.append, day(1, 20))
        full = Recorded(22, log.head.at, started(2), 2, 21, actor="operator", seen=NOON)
        log.append([full, *day(22, LAST - 22, at=log.head.at)])
    return home


def test_a_whole_history_is_said_to_be_whole(home: Path) -> None:
    """Every event is counted, and the progress is told."""
    progress: list[int] = []
    found = verify(home, progress.append)
    assert (found.ok, found.events, found.problems) == (True, LAST, ())
    assert found.files == (str(home / "events-000001.db"),)
    kept = files.read_head(home)
    assert kept is not None
    assert (found.head.seq, found.head.hash.hex()) == (kept.seq, kept.hash)
    assert progress[-1] == LAST


def test_nothing_recorded_is_whole(tmp_path: Path) -> None:
    """There is nothing that could be wrong with an empty home."""
    assert verify(tmp_path).ok


@pytest.mark.parametrize("bit", [0, 6, 17])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_flipped_bit_is_found_in_every_column(home: Path, column: str, bit: int) -> None:
    """The chain covers every column, so that no bit can change unseen."""
    seq = LAST if column == "seq" else 22
    flip(home / "events-000001.db", seq, column, bit)
    found = verify(home)
    assert not found.ok
    assert any("event 22" in it or column == "seq" for it in found.problems)


def test_a_null_that_gets_a_value_is_found(home: Path) -> None:
    """Nothing and something are different, whatever the something is."""
    for column, value in (("actor", ""), ("seen", 0), ("basis", 0)):
        copy = home.with_name(column)
        shutil.copytree(home, copy)
        shell(copy / "events-000001.db", f"UPDATE events SET {column} = ? WHERE seq = 1", value)
        assert any("event 1:" in it for it in verify(copy).problems)


def test_one_wrong_event_is_one_problem(home: Path) -> None:
    """What follows it is not blamed."""
    shell(home / "events-000001.db", "UPDATE events SET data = '{}', stream = 'x', at = 0, cause = 1 WHERE seq = 22")
    assert verify(home).problems == ("events-000001.db: event 22: it is not what was recorded: its hash does not fit",)


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bits_of_the_file_are_found_or_change_nothing(home: Path, seed: int) -> None:
    """Wherever the disk errs: either it is told, or every event still reads as it was recorded."""
    path = home / "events-000001.db"
    before = rows(path)
    chance = Random(seed)
    at = chance.randrange(path.stat().st_size)
    overwrite(path, at, bytes([path.read_bytes()[at] ^ 1 << chance.randrange(8)]))
    found = verify(home)
    if found.ok:
        assert rows(path) == before
    else:
        assert found.problems


def rows(path: Path) -> list[Row]:
    """All that is stored."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT * FROM events ORDER BY seq").fetchall()
    finally:
        connection.close()


def test_an_event_taken_out_is_found(home: Path) -> None:
    """The gap is named."""
    shell(home / "events-000001.db", "DELETE FROM events WHERE seq = 7")
    assert "events-000001.db: event 8: expected event 7 after 6: 1 are missing" in verify(home).problems


def test_a_cut_tail_is_found(home: Path) -> None:
    """The chain alone would be whole: the head outside knows better."""
    shell(home / "events-000001.db", "DELETE FROM events WHERE seq > 30")
    assert verify(home).problems == ("events.head: it knows of event 40: the last 10 events are lost",)


def test_a_rewritten_history_is_found(home: Path, tmp_path: Path) -> None:
    """A forger who computes all hashes again is betrayed by the head outside."""
    other = tmp_path / "other"
    recorded(other, LAST, seed=2)
    kept = files.read_head(home)
    forged = files.read_head(other)
    assert kept is not None
    assert forged is not None
    (other / files.HEAD).write_bytes((home / files.HEAD).read_bytes())
    assert verify(other).problems == ("events.head: event 40 is not the one that it vouches for",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "it is missing"), (b"", "does not hold a head"), (b'{"seq":"x"}', "does not hold a head")],
)
def test_a_lost_head_is_told(home: Path, content: bytes | None, problem: str) -> None:
    """Without it, nothing vouches for the last events."""
    (home / files.HEAD).unlink()
    if content is not None:
        (home / files.HEAD).write_bytes(content)
    (told,) = verify(home).problems
    assert problem in told


def rotated(home: Path) -> Path:
    """Three files of twenty events."""
    with Log.open(home, now=lambda: NOON) as log:
        for number in range(3):
            log.append([Recorded(log.head.seq + 1, log.head.at, command(f"c{number}"))])
            append_all(log.append, day(log.head.seq, 18, seed=number, at=log.head.at))
            if number < 2:
                log.rotate(log.head.at, b"{}")
    return home


def test_each_file_must_follow_the_one_before(tmp_path: Path) -> None:
    """A file that was exchanged for one of another log does not fit."""
    home, other = rotated(tmp_path / "home"), rotated(tmp_path / "other")
    assert (verify(home).ok, verify(home).events) == (True, 60)
    shutil.copy(other / "events-000002.db", home / "events-000002.db")
    problems = verify(home).problems
    assert "events-000002.db: it does not follow event 20, the last one before it" in problems
    assert "events-000003.db: it does not follow event 40, the last one before it" in problems


def test_what_was_carried_over_must_fit(tmp_path: Path) -> None:
    """What a file knows of the ones before it is compared with them."""
    home = rotated(tmp_path)
    shell(home / "events-000003.db", "UPDATE carried_streams SET version = version + 1 WHERE stream = 'nexus'")
    assert "events-000003.db: what it carried over is not what the file before it ended with" in verify(home).problems


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"version": 9}, "expected version 3 of nexus, found 9"),
        ({"at": 5}, "its moment 5 is before"),
        ({"correlation": 1}, "it does not belong to the story of its cause 21"),
    ],
)
def test_a_writer_that_errs_is_found(home: Path, changed: dict[str, int], problem: str) -> None:
    """An event with a good hash may still be wrong."""
    path = home / "events-000001.db"
    *_, last = rows(path)
    row = dict(zip(COLUMNS, last, strict=True)) | {"seq": LAST + 1, "stream": "nexus", "version": 2, "cause": 21}
    before = {it[0]: it for it in rows(path)}
    row |= {"correlation": before[21][9]}
    row["version"] = 1 + sum(it[2] == "nexus" for it in before.values())
    if "version" in changed:
        problem = problem.replace("3", str(row["version"]))
    row |= changed
    *header, data, _ = row.values()
    hash = hashlib.sha256(last[-1] + msgspec.msgpack.encode(tuple(header)) + data.encode()).digest()
    shell(path, f"INSERT INTO events VALUES ({', '.join('?' * 14)})", *header, data, hash)
    (told,) = verify(home).problems
    assert told.startswith("events-000001.db: event 41: ")
    assert problem in told


def test_hopeless_files_are_told_in_a_hundred_lines(home: Path) -> None:
    """Nobody reads a thousand problems."""
    with Log.open(home) as log:
        append_all(log.append, day(log.head.seq, 200, at=log.head.at))
    shell(home / "events-000001.db", "UPDATE events SET id = x'00'")
    problems = verify(home).problems
    assert len(problems) == 101
    assert problems[-1].startswith("… and ")


def test_it_verifies_beside_a_writer(tmp_path: Path) -> None:
    """Nobody has to stop the supervisor for it."""
    with Log.open(tmp_path, now=lambda: NOON) as log:
        last: Position = log.head.seq
        for number in range(5):
            append_all(log.append, day(log.head.seq, 20, seed=number, at=log.head.at))
            found = verify(tmp_path)
            assert (found.ok, found.events) == (True, log.head.seq)
            assert found.events > last
            last = found.events

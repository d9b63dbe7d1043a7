"""The event log beside raw SQLite with the same schema, and beside the eventsourcing library.

All write to the same disk in turns, a thousand events a commit, each commit durable when it returns. Raw SQLite gets
rows that were made before the clock started, so what is left is the cost of encoding and of the hash chain. With the
library, both sides start from plain values and end with durable events: Nexus makes its typed events and appends
them; the library's aggregates, one a service, trigger theirs and are saved.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from bench.history import BEGIN, Machine
from events.catalog import Event
from events.chain import Row
from events.envelope import Recorded
from events.log import Log
from events.reader import Reader
from events.schema import INSERT, connect, open_reader, prepare
from events.verify import verify
from projections.history import SNAPSHOT_EVERY, History
from projections.state import State, evolve_all

BATCH = 1_000
ROUNDS = 25
FULL, QUICK = (20_000, 1_000_000), (5_000, 100_000)
"""Events appended in each round, and events of the history that is verified and replayed."""

ENDLESS = 1 << 50
"""One file, however large: rotation is not what is measured."""


class Story(Aggregate):
    """What the library keeps the events of one service in, written as its documentation shows."""

    @event("Happened")
    def happen(self, kind: str, fields: dict[str, Any]) -> None:
        """One of our events; nothing is derived from it here, for only recording is measured."""


Fact = tuple[type[Event], dict[str, Any], dict[str, Any], Recorded]
"""A kind of event and the values of its fields, for Nexus and for the library, and where it stands."""


def run(quick: bool) -> dict[str, Any]:
    """Append, verify, replay and travel."""
    size, total = QUICK if quick else FULL
    with place() as home:
        seconds = appends(home, size)
        history = home / "history"
        appended_seconds = build(history, total)
        scan_seconds, verify_seconds, replay_cpu_seconds = scans(history, total)
        travel_ms = moments(history, total)
    figures: dict[str, dict[str, float]] = {
        name: {"append_events_per_s": round(size / value)} for name, value in seconds.items()
    }
    figures["nexus"] |= {
        "append_turn_ms": round(single(600 if quick else 3_000) * 1000, 3),
        "events": total,
        "append_all_events_per_s": round(total / appended_seconds),
        "scan_s": round(scan_seconds, 3),
        "verify_s": round(verify_seconds, 3),
        "replay_events_per_cpu_s": round(total / replay_cpu_seconds),
        "moment_ms": round(travel_ms, 2),
    }
    ratios = {
        "append_vs_raw": round(seconds["raw sqlite"] / seconds["nexus"], 3),
        "append_vs_eventsourcing": round(seconds["eventsourcing"] / seconds["nexus from values"], 2),
        "verify_vs_scan": round(verify_seconds / scan_seconds, 2),
    }
    return {"figures": figures, "ratios": ratios}


@contextmanager
def place() -> Iterator[Path]:
    """A directory on a disk, not in memory: what is measured is durable."""
    disk = Path("/var/tmp")
    home = Path(tempfile.mkdtemp(prefix="nexus-bench-", dir=disk if disk.is_dir() else None))
    try:
        yield home
    finally:
        shutil.rmtree(home)


@contextmanager
def quiet() -> Iterator[None]:
    """What was made before does not cost anybody garbage collections."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def timed(work: Callable[..., object], *values: object) -> float:
    """Seconds on the wall."""
    began = time.perf_counter()
    work(*values)
    return time.perf_counter() - began


# -- append ----------------------------------------------------------------------------------------


def appends(home: Path, size: int) -> dict[str, float]:
    """Seconds for `size` events: for each commit the best of all rounds, added up.

    The rounds come in a shuffled order and do the same work commit by commit, so that what is left is the work and not
    what else the machine did at the time.
    """
    batches = list(batched(Machine().events(size)))
    rows = made(home / "rows", batches)
    facts = [[fact(it) for it in batch] for batch in batches]
    work: dict[str, Callable[[Path], list[float]]] = {
        "nexus": lambda place: append_nexus(place, batches),
        "raw sqlite": lambda place: append_raw(place, rows),
        "nexus from values": lambda place: record_nexus(place, facts),
        "eventsourcing": lambda place: record_library(place, facts),
    }
    found: dict[str, list[list[float]]] = {name: [] for name in work}
    chance = Random(1)
    with quiet():
        for number in range(ROUNDS):
            for name in chance.sample(list(work), len(work)):
                found[name].append(work[name](home / f"{name}-{number}"))
    return {name: sum(map(min, zip(*rounds, strict=True))) for name, rounds in found.items()}


def batched(events: Iterable[Recorded]) -> Iterator[list[Recorded]]:
    """A thousand at a time."""
    waiting = iter(events)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def append_nexus(home: Path, batches: Sequence[Sequence[Recorded]]) -> list[float]:
    """Append as a supervisor does."""
    with Log.open(home, size_limit_bytes=ENDLESS, now=lambda: BEGIN) as log:
        return [timed(log.append, batch) for batch in batches]


def append_raw(path: Path, batches: Sequence[Sequence[Row]]) -> list[float]:
    """Insert ready-made rows into the same schema with the same pragmas."""
    connection = connect(path)
    prepare(connection, path)
    with contextlib.closing(connection):
        return [timed(insert, connection, batch) for batch in batches]


def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """One transaction."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(INSERT, rows)
    connection.execute("COMMIT")


def made(home: Path, batches: Sequence[Sequence[Recorded]]) -> list[list[Row]]:
    """The rows that Nexus makes of these batches."""
    append_nexus(home, batches)
    with Reader(home) as reader:
        rows = [msgspec.structs.astuple(it) for it in reader.rows(1)]
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def fact(it: Recorded) -> Fact:
    """The plain values that both sides start from."""
    return type(it.event), msgspec.structs.asdict(it.event), msgspec.to_builtins(it.event), it


def record_nexus(home: Path, batches: Sequence[Sequence[Fact]]) -> list[float]:
    """From values to durable events."""
    with Log.open(home, size_limit_bytes=ENDLESS, now=lambda: BEGIN) as log:
        return [timed(typed_and_appended, log, batch) for batch in batches]


def typed_and_appended(log: Log, facts: Sequence[Fact]) -> None:
    """One transaction."""
    log.append([Recorded(it.seq, it.at, kind(**fields), it.cause, it.basis) for kind, fields, _, it in facts])


def record_library(path: Path, batches: Sequence[Sequence[Fact]]) -> list[float]:
    """The same with the library: one transaction a batch."""
    settings = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
    application: Application[Any] = Application(env=settings)
    stories: dict[str, Story] = {it.event.stream: Story() for batch in batches for *_, it in batch}
    with contextlib.closing(application):
        application.save(*stories.values())
        return [timed(triggered_and_saved, application, stories, batch) for batch in batches]


def triggered_and_saved(application: Application[Any], stories: dict[str, Story], facts: Sequence[Fact]) -> None:
    """One transaction."""
    for kind, _, fields, it in facts:
        stories[it.event.stream].happen(kind.kind(), fields)
    application.save(*stories.values())


def single(events: int) -> float:
    """Median seconds of an append of three events, as one turn of the controller makes it."""
    seconds = []
    with place() as home, Log.open(home / "single", now=lambda: BEGIN) as log:
        waiting = Machine().events(events)
        while turn := list(islice(waiting, 3)):
            seconds.append(timed(log.append, turn))
    return statistics.median(seconds)


# -- the whole history -----------------------------------------------------------------------------


def build(home: Path, total: int) -> float:
    """A log of `total` events in one file; the seconds that appending took."""
    with Log.open(home, size_limit_bytes=ENDLESS, now=lambda: BEGIN) as log:
        return sum(timed(log.append, batch) for batch in batched(Machine().events(total - 1)))


def scans(home: Path, total: int) -> tuple[float, float, float]:
    """Seconds for just reading every row, seconds for verifying, and processor seconds for decoding and folding."""
    scan_seconds, verify_seconds, replay_seconds = [], [], []
    with quiet():
        for _ in range(3):
            scan_seconds.append(timed(scan, home, total))
            verify_seconds.append(timed(verified, home, total))
            began = time.process_time()
            with Reader(home) as reader:
                state = evolve_all(State(), reader.read())
            replay_seconds.append(time.process_time() - began)
            assert state.seq == total
    return statistics.median(scan_seconds), statistics.median(verify_seconds), statistics.median(replay_seconds)


def scan(home: Path, total: int) -> None:
    """Read every column of every row."""
    connection = open_reader(home / "events-000001.db")
    assert sum(1 for _ in connection.execute("SELECT * FROM events ORDER BY seq")) == total
    connection.close()


def verified(home: Path, total: int) -> None:
    """Verify, and insist that it is whole."""
    found = verify(home)
    assert (found.ok, found.events) == (True, total), found.problems


def moments(home: Path, total: int) -> float:
    """Median milliseconds for a moment that lies a whole interval of snapshots behind the nearest one."""
    travels = []
    before = total - SNAPSHOT_EVERY + 1
    history = History(home)
    history.keep(History(home).at(before))
    for _ in range(7):
        for path in history.snapshots.glob("*.json"):
            if int(path.stem.partition("-")[0]) != before:
                os.unlink(path)
        fresh = History(home)
        travels.append(timed(fresh.at, total) * 1000)
    return statistics.median(travels)

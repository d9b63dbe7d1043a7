"""Kills a writer again and again, at any moment: `python -m tests.events.kill_loop HOME KILLS SEED`.

Whatever the writer had acknowledged must be there afterwards, and the history must be whole. Prints what happened as
JSON; ends with an AssertionError where a promise was broken.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import sys
import traceback
from pathlib import Path
from random import Random

import sqlite_utils.migrations  # noqa: F401 - imported here once, not by every writer again

from events.log import Log
from events.reader import Reader
from events.verify import verify
from tests.events.samples import day

KILLS_A_HOME = 25
SIZE_LIMIT_BYTES = 120_000
LATEST_SECONDS = 0.04
WRITING = 0.7
"""How many are killed while they append; the others may still be opening the log."""
PATIENCE_SECONDS = 10.0
ACKNOWLEDGED = struct.Struct(">q32s?")


def write(home: Path, pipe: int, seed: int) -> None:
    """Append until killed, and tell of each append once it is durable."""
    chance = Random(seed)
    log = Log.open(home, size_limit_bytes=SIZE_LIMIT_BYTES, ballast_bytes=4096)
    assert not (problems := log.take_problems()), problems
    while True:
        log.append(day(log.head.seq, chance.randrange(1, 8), chance.random().__hash__(), at=log.head.at))
        os.write(pipe, ACKNOWLEDGED.pack(log.head.seq, log.head.hash, False))
        if log.wants_rotation:
            log.rotate(log.head.at, b'{"books":"closed"}')
            os.write(pipe, ACKNOWLEDGED.pack(log.head.seq, log.head.hash, True))


def kill_one(home: Path, chance: Random) -> tuple[int, bytes, int]:
    """Let one writer live for a moment; the position and hash that it acknowledged last, and its rotations."""
    ours, theirs = os.pipe()
    seed, seconds = chance.randrange(2**32), chance.uniform(0, LATEST_SECONDS)
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        try:
            write(home, theirs, seed)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    os.close(theirs)
    if chance.random() < WRITING:
        select.select([ours], [], [], PATIENCE_SECONDS)
    select.select([], [], [], seconds)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), f"the writer ended by itself, seed {seed}"
    with os.fdopen(ours, "rb") as told:
        acknowledged = list(ACKNOWLEDGED.iter_unpack(told.read()))
    last = acknowledged[-1] if acknowledged else (0, b"", False)
    return last[0], last[1], sum(it[2] for it in acknowledged)


def main(home: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill, look, and go on."""
    chance = Random(seed)
    counts = {"kills": 0, "events": 0, "rotations": 0, "homes": 0}
    place = home
    for number in range(kills):
        if number % KILLS_A_HOME == 0:
            place = home / str(number)
            counts["homes"] += 1
        seq, hash, rotations = kill_one(place, chance)
        with Reader(place) as reader:
            stored = reader.get(seq) if seq else None
            assert not seq or (stored is not None and stored.hash == hash), f"event {seq} was acknowledged and is lost"
        found = verify(place)
        assert found.ok or not found.files, found.problems
        counts["kills"] += 1
        counts["rotations"] += rotations
        if number % KILLS_A_HOME == KILLS_A_HOME - 1 or number == kills - 1:
            counts["events"] += found.events
    return counts


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))

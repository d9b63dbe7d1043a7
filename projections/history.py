"""Time travel: the state at any moment, from the nearest snapshot and the events after it.

Snapshots are a disposable cache: each is keyed by a digest of the folds' source and by the hash of the event that it
follows, so that a changed fold or another log never meets an old snapshot.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from events.envelope import Micros, Position
from events.reader import Reader
from projections.state import State, decode, encode, evolve, evolve_all

SNAPSHOT_EVERY = 10_000
FOLD_SOURCES = ("events", "projections")


@functools.cache
def fold_digest() -> str:
    """A digest of everything that decides what the fold of a history is."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for package in FOLD_SOURCES:
        for source in sorted((root / package).glob("*.py")):
            digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


class History:
    """The states of one home's log; it only reads, and works with and without a running supervisor."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.reader = Reader(home)
        self.snapshots = home / "snapshots" / fold_digest()

    def at(self, seq: Position | None = None) -> State:
        """What was known once the event `seq` had happened; None is the present."""
        state = self._nearest(seq)
        before = state.seq
        state = evolve_all(state, self.reader.read(after=state.seq, until=seq))
        if state.seq - before >= SNAPSHOT_EVERY:
            self.keep(state)
        return state

    def at_moment(self, moment: Micros) -> State:
        """What was known at a moment (µs UTC)."""
        return self.at(self.reader.seq_at(moment))

    def keep(self, state: State) -> None:
        """Keep a snapshot; a home that can't be written to goes without."""
        event_hash = self._hash(state.seq)
        if event_hash is None:
            return
        with contextlib.suppress(OSError):
            self.snapshots.mkdir(parents=True, exist_ok=True)
            path = self.snapshots / f"{state.seq:012d}-{event_hash[:16]}.json"
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_bytes(encode(state))
            draft.replace(path)

    def rebuild(self, progress: Callable[[Position, Position], None] | None = None) -> int:
        """Throw every snapshot away and keep new ones; how many. `progress` is told the position reached and the last.

        Raises LogError where an event can't be read.
        """
        shutil.rmtree(self.snapshots.parent, ignore_errors=True)
        head, kept = self.reader.head.seq, 0
        state = State(seq=max(0, self.first - 1))
        last = state.seq
        for recorded in self.reader.read(state.seq, head):
            state = evolve(state, recorded)
            if state.seq - last >= SNAPSHOT_EVERY or state.seq == head:
                self.keep(state)
                last, kept = state.seq, kept + 1
                if progress is not None:
                    progress(last, head)
        return kept

    @property
    def first(self) -> Position:
        """The first event that is left of the history; 0 without any."""
        return next((it.seq for it in self.reader.rows(limit=1)), 0)

    def _nearest(self, seq: Position | None) -> State:
        """The latest usable snapshot up to `seq`, else the state at the start of the file that holds `seq`."""
        start = self.reader.file_start(seq)
        names = sorted(self.snapshots.glob("*.json"), reverse=True) if self.snapshots.is_dir() else []
        for path in names:
            position, _, event_hash = path.stem.partition("-")
            if seq is not None and int(position) > seq:
                continue
            if int(position) < start:
                break
            known = self._hash(int(position))
            if known is not None and known.startswith(event_hash):
                with contextlib.suppress(OSError, ValueError):
                    return decode(path.read_bytes())
        return State(seq=start - 1) if start > 1 else State()

    def _hash(self, seq: Position) -> str | None:
        stored = self.reader.get(seq)
        return stored.hash.hex() if stored else None

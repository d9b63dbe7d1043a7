"""Replay as a test: what today's policies would decide in each recorded turn, beside what was decided then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from events.catalog import Decision, LogOpened
from events.envelope import Draft, Position, Recorded
from nexus.policies.overrides import with_overrides
from nexus.policies.step import POLICIES, Policy, step
from projections.state import State, evolve_all

Key = tuple[str, str, int]
"""Which decision of a turn: its kind, what it is about, and the how-many-eth of those it is."""


class Difference(msgspec.Struct, frozen=True):
    """A decision that would differ: `recorded` is None for a new one, `now` for one that would be missing.

    `seq` is the position of the recorded decision, or the one that the new decision would have had.
    """

    seq: Position
    recorded: Recorded | None
    now: Recorded | None


class Check(Iterator[Difference]):
    """The differences, as they are found; `checked` counts the decisions compared so far, `turns` the turns."""

    def __init__(self, history: Iterable[Recorded], policies: Sequence[Policy], state: State) -> None:
        self.checked = self.turns = 0
        self.state = state
        self._policies = policies
        self._roots: list[Position] = []
        self._first: Position = 0
        self._diverged: set[Position] = set()
        self._found = self._differences(history)

    def __next__(self) -> Difference:
        return next(self._found)

    def _differences(self, history: Iterable[Recorded]) -> Iterator[Difference]:
        for _, group in groupby(history, key=lambda it: it.at):
            turn = list(group)
            self._follow(turn)
            if not isinstance(turn[0].event, LogOpened):
                yield from self._turn(turn)
            self.state = evolve_all(self.state, turn)

    def _turn(self, turn: list[Recorded]) -> Iterator[Difference]:
        """One turn, on the recorded state: what one decision changes does not spread to the next turns."""
        if turn[0].seq != self.state.seq + 1:
            raise ValueError(
                f"event {turn[0].seq} follows what is known up to {self.state.seq}: "
                "begin at the start of a log file, or with the state just before the first event"
            )
        seen = sum(not isinstance(it.event, Decision) for it in turn)
        drafts = [Draft(it.event, it.cause, it.actor, it.seen) for it in turn[:seen]]
        _, today = step(self.state, drafts, turn[0].at, self._policies)
        self.turns += 1
        self.checked += len(turn) - seen
        if turn == today:
            return
        diverged_now: set[Position] = set()
        for difference in _compare(turn[seen:], today[seen:]):
            root = self._root(difference, turn[:seen])
            if root not in self._diverged:
                diverged_now.add(root)
                yield difference
        self._diverged |= diverged_now

    # -- correlations: everything that goes back to one event ------------------------------------

    def _follow(self, turn: list[Recorded]) -> None:
        self._first = self._first or turn[0].seq
        for it in turn:
            self._roots.append(self._known_root(it.cause) if it.cause else it.seq)

    def _known_root(self, seq: Position) -> Position:
        return self._roots[seq - self._first] if seq >= self._first else seq

    def _root(self, difference: Difference, seen: list[Recorded]) -> Position:
        if difference.recorded is not None:
            return self._known_root(difference.recorded.seq)
        last = seen[-1].seq
        cause = difference.now.cause if difference.now else None
        return self._known_root(min(cause or last, last))


def check(
    history: Iterable[Recorded],
    policies: Sequence[Policy] = POLICIES,
    overrides: Mapping[str, str] | None = None,
    state: State | None = None,
) -> Check:
    """Today's policies over every recorded turn; `overrides` asks what they would have decided with other settings.

    Compares positions, kinds, causes and values. Open-loop: each turn is judged on the recorded state, and a
    correlation is left alone after the first turn in which it diverges. `history` begins where a log file does, or
    follows `state`. Raises ValueError for an unknown override, and for a history that begins elsewhere.
    """
    return Check(history, with_overrides(policies, overrides or {}), state or State())


def _compare(recorded: Sequence[Recorded], today: Sequence[Recorded]) -> Iterator[Difference]:
    was, now = _by_key(recorded), _by_key(today)
    moved = {now[key].seq: was[key].seq for key in was if key in now}
    only_moved = was.keys() == now.keys()
    for key in sorted({**was, **now}, key=lambda key: (was.get(key) or now[key]).seq):
        before, after = was.get(key), now.get(key)
        if before is None or after is None:
            yield Difference((before or now[key]).seq, before, after)
        elif not _same(before, after, moved) or (only_moved and before.seq != after.seq):
            yield Difference(before.seq, before, after)


def _same(before: Recorded, after: Recorded, moved: Mapping[Position, Position]) -> bool:
    """Equal but for positions that other differences of the turn have moved."""
    return before.event == after.event and before.cause == moved.get(after.cause or 0, after.cause)


def _by_key(turn: Sequence[Recorded]) -> dict[Key, Recorded]:
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[Key, Recorded] = {}
    for it in turn:
        what = it.event.kind(), _about(it.event)
        counts[what] += 1
        found[*what, counts[what]] = it
    return found


def _about(event: object) -> str:
    for name in ("key", "lease", "instance"):
        about = getattr(event, name, None)
        if about is not None:
            return str(about)
    return ""

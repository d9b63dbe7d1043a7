"""Explanations: why an event happened, up to the root, and what came of it, down to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from events.catalog import Decision, Rejected, StartDecided, Value
from events.envelope import Position, Recorded
from projections import rules, story
from projections.moments import iso

Get = Callable[[Position], Recorded | None]
CausedBy = Callable[[Position], Iterable[Recorded]]
EndOf = Callable[[Position], Recorded | None]
"""The end of the run that the decision at a position started."""

DEPTH_MAX = 100
"""How far a tree is followed; a longer chain names its root all the same."""

EVENTS_MAX = 1000


class Tree(msgspec.Struct, frozen=True):
    """An event and what led to it, or what came of it; `more` says that it was followed no further.

    The end of a run stands below the decision that started it. It begins a story of its own, which `more` stands for.
    """

    id: Position
    at: str
    kind: str
    sort: Literal["observation", "decision"]
    summary: str
    rule: str | None
    children: tuple[Tree, ...] = ()
    more: bool = False


class Explanation(msgspec.Struct, frozen=True):
    """Why an event happened: `causes` leads up to the root, `outcome` down to the end."""

    id: Position
    at: str
    kind: str
    subject: str
    summary: str
    rule: str | None
    rule_in_words: str
    values: dict[str, Value]
    rejected: tuple[Rejected, ...]
    causes: tuple[Tree, ...]
    outcome: tuple[Tree, ...]
    root: Position


def explanation(seq: Position, get: Get, caused_by: CausedBy, end_of: EndOf = lambda _: None) -> Explanation | None:
    """Why event `seq` happened and what came of it; None where there is no such event.

    `get` finds an event, `caused_by` the events that it caused, `end_of` the end of the run that it started.
    """
    recorded = get(seq)
    if recorded is None:
        return None
    event = recorded.event
    rule = event.rule if isinstance(event, Decision) else None
    chain = _chain(recorded, get)
    return Explanation(
        id=seq,
        at=iso(recorded.at),
        kind=event.kind(),
        subject=story.subject(event),
        summary=story.sentence(event),
        rule=rule,
        rule_in_words=rules.rule_in_words(rule) if rule else "",
        values=event.values if isinstance(event, Decision) else {},
        rejected=event.rejected if isinstance(event, Decision) else (),
        causes=_causes(chain),
        outcome=_Outcome(caused_by, end_of).below(recorded, 1),
        root=chain[-1].seq if chain else seq,
    )


def _chain(recorded: Recorded, get: Get) -> list[Recorded]:
    """The cause, its cause, and so on up to the root."""
    chain: list[Recorded] = []
    cause = recorded.cause
    while cause is not None and (found := get(cause)) is not None:
        chain.append(found)
        cause = found.cause
    return chain


def _causes(chain: list[Recorded]) -> tuple[Tree, ...]:
    shown = chain if len(chain) <= DEPTH_MAX else [*chain[: DEPTH_MAX - 1], chain[-1]]
    above: tuple[Tree, ...] = ()
    for index, recorded in reversed(list(enumerate(shown))):
        above = (_tree(recorded, above, more=len(shown) < len(chain) and index == DEPTH_MAX - 2),)
    return above


class _Outcome:
    """What came of an event, down to the end or until there are too many."""

    def __init__(self, caused_by: CausedBy, end_of: EndOf) -> None:
        self.caused_by, self.end_of = caused_by, end_of
        self.left = EVENTS_MAX

    def below(self, recorded: Recorded, depth: int) -> tuple[Tree, ...]:
        """The trees below an event."""
        found = []
        for effect in self.caused_by(recorded.seq):
            if self.left == 0:
                break
            self.left -= 1
            deeper = depth < DEPTH_MAX
            found.append(_tree(effect, self.below(effect, depth + 1) if deeper else (), more=not deeper))
        end = self.end_of(recorded.seq) if isinstance(recorded.event, StartDecided) else None
        if end is not None and end.cause != recorded.seq:
            found.append(_tree(end, (), more=True))
        return tuple(found)


def _tree(recorded: Recorded, children: tuple[Tree, ...], more: bool = False) -> Tree:
    event = recorded.event
    decided = isinstance(event, Decision)
    return Tree(
        id=recorded.seq,
        at=iso(recorded.at),
        kind=event.kind(),
        sort="decision" if decided else "observation",
        summary=story.sentence(event),
        rule=event.rule if isinstance(event, Decision) else None,
        children=children,
        more=more,
    )

"""Explanations: why an event happened, up to the root, and what came of it, down to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from events.catalog import Decision, Rejected, Value
from events.envelope import Position, Recorded
from projections import story
from projections.moments import iso

Get = Callable[[Position], Recorded | None]
CausedBy = Callable[[Position], Iterable[Recorded]]

DEPTH_MAX = 100
"""How far a tree is followed; a longer chain names its root all the same."""

EVENTS_MAX = 1000


class Tree(msgspec.Struct, frozen=True):
    """An event and what led to it, or what came of it; `more` says that it was followed no further."""

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


def explanation(seq: Position, get: Get, caused_by: CausedBy) -> Explanation | None:
    """Why event `seq` happened and what came of it; None where there is no such event.

    `get` finds an event, `caused_by` the events that it caused.
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
        rule_in_words=story.rule_in_words(rule) if rule else "",
        values=event.values if isinstance(event, Decision) else {},
        rejected=event.rejected if isinstance(event, Decision) else (),
        causes=_causes(chain),
        outcome=_outcome(recorded, caused_by),
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


def _outcome(recorded: Recorded, caused_by: CausedBy) -> tuple[Tree, ...]:
    left = [EVENTS_MAX]

    def below(seq: Position, depth: int) -> tuple[Tree, ...]:
        found = []
        for effect in caused_by(seq):
            if left[0] == 0:
                break
            left[0] -= 1
            if depth == DEPTH_MAX:
                found.append(_tree(effect, (), more=True))
            else:
                found.append(_tree(effect, below(effect.seq, depth + 1)))
        return tuple(found)

    return below(recorded.seq, 1)


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

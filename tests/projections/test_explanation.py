"""Explanations: causes up to the root, outcome down to the end."""

from __future__ import annotations

import msgspec

from events.catalog import CommandReceived, DeadlineReached, RunExited
from events.envelope import Position, Recorded
from projections.explanation import DEPTH_MAX, EVENTS_MAX, Explanation, Tree, explanation
from tests.cli.homes import FIRST_TRY, GIVEN_UP, KILLED, incident


def explain(history: list[Recorded], seq: Position) -> Explanation | None:
    """The explanation of an event of a history."""
    by_seq = {it.seq: it for it in history}

    def end_of(run: Position) -> Recorded | None:
        return next((it for it in history if isinstance(it.event, RunExited) and it.event.run == run), None)

    return explanation(seq, by_seq.get, lambda cause: [it for it in history if it.cause == cause], end_of)


def chain(trees: tuple[Tree, ...]) -> list[int]:
    """The positions of a tree that does not branch."""
    found = []
    while trees:
        found.append(trees[0].id)
        trees = trees[0].children
    return found


def test_a_restart_names_the_exit_the_rule_and_the_attempt() -> None:
    """After a kill -9: which signal ended it, which rule answers, which try it is, what was rejected."""
    found = explain(incident(), FIRST_TRY)
    assert found is not None
    assert found.summary == "start database.1 on port 21436 again, try 1 of 3"
    assert found.rule == "restart.ladder"
    assert "tried again" in found.rule_in_words
    assert found.values["problem"] == "was ended by signal KILL"
    assert found.rejected[0].option == "leave it down"
    assert chain(found.causes) == [19, 17, KILLED]
    assert found.root == KILLED
    root = found.causes[0].children[0].children[0]
    assert (root.sort, root.rule, root.summary) == ("observation", None, "database.1 was ended by signal KILL")


def test_the_end_of_a_run_stands_below_its_start() -> None:
    """Nobody decided that it ends, so it is told once and its own story is left to its own explanation."""
    found = explain(incident(), FIRST_TRY)
    assert found is not None
    assert [(it.id, it.more, it.children) for it in found.outcome] == [(21, False, ()), (22, True, ())]


def test_an_observation_is_explained_too() -> None:
    """It has no rule; what came of it goes down to the end."""
    found = explain(incident(), 32)
    assert found is not None
    assert (found.rule, found.rule_in_words, found.values, found.causes) == (None, "", {}, ())
    assert [it.id for it in found.outcome] == [GIVEN_UP]
    assert [it.id for it in found.outcome[0].children] == [34, 35]


def test_there_is_no_such_event() -> None:
    """An unknown position has no explanation."""
    assert explain(incident(), 999) is None


def history_of(causes: list[int | None]) -> list[Recorded]:
    """Events of which each has the given cause."""
    event = DeadlineReached(key="restart:web.1", due=1)
    return [Recorded(seq, seq, event, cause) for seq, cause in enumerate(causes, 1)]


def test_a_very_long_chain_still_names_its_root() -> None:
    """What lies between is left out, and it is said where."""
    history = history_of([None, *range(1, 500)])
    last = explain(history, 500)
    assert last is not None
    above = chain(last.causes)
    assert (len(above), above[0], above[-1], last.root) == (DEPTH_MAX, 499, 1, 1)
    first = explain(history, 1)
    assert first is not None
    assert chain(first.outcome) == list(range(2, DEPTH_MAX + 2))
    assert msgspec.json.decode(msgspec.json.encode(first), type=Explanation) == first


def test_an_outcome_without_end_is_cut() -> None:
    """A command that caused thousands of events is explained by the first thousand."""
    history = [Recorded(1, 1, CommandReceived(verb="up")), *history_of([None] * (EVENTS_MAX + 50))[1:]]
    history = [history[0], *(msgspec.structs.replace(it, cause=1) for it in history[1:])]
    found = explain(history, 1)
    assert found is not None
    assert len(found.outcome) == EVENTS_MAX

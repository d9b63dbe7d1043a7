"""What changed between two moments, in words."""

from __future__ import annotations

import pytest

from events.catalog import CommandReceived
from projections.differences import changes
from projections.state import State, evolve_all
from tests.cli.homes import FIRST_TRY, GIVEN_UP, KILLED, LAST, incident


def state_at(seq: int) -> State:
    """What was known at a position of the incident."""
    return evolve_all(State(), [it for it in incident() if it.seq <= seq])


def test_nothing_changed() -> None:
    """The same state twice is no change."""
    assert changes(state_at(LAST), state_at(LAST)) == []


def test_changes_at_the_start() -> None:
    """What is declared, who supervises, and what is wanted."""
    assert changes(State(), state_at(4)) == [
        "supervisor: pid 4000",
        "declared: database, router",
        "database.1: wanted; declared → waiting",
        "router.1: wanted; declared → waiting",
    ]


def test_changes_of_a_failure() -> None:
    """The state, the problem and the alerts, each in words."""
    assert changes(state_at(KILLED - 1), state_at(KILLED)) == [
        "database.1: running → waiting; it was ended by signal KILL"
    ]
    assert changes(state_at(GIVEN_UP + 1), state_at(GIVEN_UP + 2)) == [
        "alert: database.1 is down: it exited with code 1, and 3 tries did not help"
    ]
    assert changes(state_at(KILLED + 1), state_at(FIRST_TRY - 1)) == [
        "router.1: healthy → degraded (GET /api/health answered 503 Service Unavailable)"
    ]


def test_changes_back() -> None:
    """What goes is told as well: services, alerts, the supervisor."""
    gone = changes(state_at(GIVEN_UP + 2), State())
    assert "supervisor: none" in gone
    assert "no longer declared: database, router" in gone
    assert "database.1: gone" in gone
    assert "alert over: given up alert of database.1" in gone


def test_changes_of_a_wish() -> None:
    """What is to be stopped or replaced."""
    before, last = state_at(LAST), incident()[-1]
    wish = CommandReceived(verb="restart", services=("router",))
    assert "router.1: to be replaced" in changes(before, evolve_all(before, [type(last)(LAST + 1, last.at + 1, wish)]))
    wish = CommandReceived(verb="stop", services=("router",))
    after = evolve_all(before, [type(last)(LAST + 1, last.at + 1, wish)])
    assert changes(before, after) == ["router.1: not wanted any more"]


@pytest.mark.parametrize(
    ("verb", "told"), [("down", "stops everything"), ("detach", "leaves the services to themselves")]
)
def test_changes_of_a_supervisor_that_goes(verb: str, told: str) -> None:
    """That it is going to end is a change too."""
    before = state_at(LAST)
    asked = incident()[-1]
    command = CommandReceived(verb=verb)  # type: ignore[arg-type]
    after = evolve_all(before, [type(asked)(LAST + 1, asked.at + 1, command)])
    assert f"supervisor: {told}" in changes(before, after)


def test_changes_of_a_run() -> None:
    """Its process, its port and its health; an alert that stays is no change."""
    assert changes(state_at(GIVEN_UP + 3), state_at(GIVEN_UP + 2)) == []
    told = changes(state_at(4), state_at(KILLED - 1))
    assert told[:2] == [
        "database.1: waiting → running; pid 4011; port 21436",
        "database.1: unknown → healthy (SELECT 1 answered)",
    ]

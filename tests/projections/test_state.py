"""Everything that is known."""

from __future__ import annotations

import msgspec
import pytest

from events.catalog import LogOpened, PortRequest, SupervisorStarted, SupervisorStopped
from events.envelope import Recorded
from projections.state import State, decode, encode, evolve, evolve_all
from tests.given import World, asked, given_up, service


def rich() -> World:
    """A world that has seen something of everything."""
    world = World(service("web", PortRequest(), needs={"db": "healthy"}), service("db", probe=True))
    world.when(asked("up"))
    world.passes("db.1")
    given_up(world, "web.1")
    world.fails("db.1", 1)
    return world


def test_the_history_is_all_there_is() -> None:
    """Folding it anew gives the state that grew with it."""
    world = rich()
    assert evolve_all(State(), world.history) == world.state
    assert (world.state.seq, world.state.at) == (world.history[-1].seq, world.history[-1].at)


def test_a_state_survives_its_writing() -> None:
    """Nothing is lost between `encode` and `decode`; anything else is an error, and nothing is the beginning."""
    world = rich()
    assert decode(encode(world.state)) == world.state
    assert decode(b"null") == State()
    with pytest.raises(msgspec.ValidationError):
        decode(b'{"seq": "one"}')


def test_a_new_file_begins_with_what_was_known() -> None:
    """Whoever starts there knows everything; one without a state continues."""
    world = rich()
    head, at = world.state.seq + 1, world.state.at + 1
    opened = LogOpened(
        log_id="l", previous_seq=world.state.seq, reason="rotated", state=msgspec.Raw(encode(world.state))
    )
    assert evolve(State(), Recorded(head, at, opened)) == msgspec.structs.replace(world.state, seq=head, at=at)
    first = Recorded(head, at, LogOpened(log_id="l"))
    assert evolve(world.state, first) == msgspec.structs.replace(world.state, seq=head, at=at)


def test_a_supervisor_that_ended_in_good_order_has_no_pid() -> None:
    """The next one has its own, and is not about to go."""
    world = World()
    assert world.state.supervisor.pid == 1
    world.when(asked("down"))
    assert (world.state.supervisor.going, world.state.supervisor.gone) == ("down", True)
    world.when(SupervisorStopped(pid=1))
    assert world.state.supervisor.pid == 0
    world.when(SupervisorStarted(pid=2, version="0.1.0"))
    supervisor = world.state.supervisor
    assert (supervisor.pid, supervisor.version, supervisor.going, supervisor.gone) == (2, "0.1.0", "", False)
    assert supervisor.started_at == world.state.at

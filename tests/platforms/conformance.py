"""What every world must do: the same tests for the real machine and for the simulated one.

A world provides a `Machine` (a fixture named `machine`) and inherits the suites that apply to it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar

from events.catalog import (
    Event,
    RunAbandoned,
    RunAdopted,
    RunExited,
    RunRefused,
    RunStarted,
    SignalSent,
)
from events.envelope import Draft, Position
from nexus.platforms.base import Clock, Launch, Mailbox, Processes, Sockets

E = TypeVar("E", bound=Event)

Program = Literal["lives", "ignores TERM", "exits 0", "exits 3", "missing"]
"""What a run does: it lives until it is ended, ends by itself, or is not there at all."""

WAIT_MICROS = 10_000_000


class Machine(Protocol):
    """One world, as one supervisor sees it."""

    @property
    def clock(self) -> Clock:
        """Its time."""

    @property
    def mailbox(self) -> Mailbox:
        """Where its observations are left."""

    @property
    def processes(self) -> Processes:
        """Its runs."""

    @property
    def sockets(self) -> Sockets:
        """Its ports."""

    @property
    def free_port(self) -> int:
        """A port that nobody has."""

    def launch(self, program: Program, port: int = 0) -> Launch:
        """A launch of instance `web.1` that does what is said, listening on no port unless told so."""

    async def ready(self, run: Position) -> None:
        """Until a run that ignores TERM does so."""

    def crash(self, run: Position) -> None:
        """End the run's process from outside, with SIGKILL."""

    def occupy(self, port: int) -> contextlib.AbstractContextManager[None]:
        """A stranger listens on the port inside the block."""

    def successor(self) -> Machine:
        """The same world as the next supervisor sees it; this one is gone without a word."""


async def seen(machine: Machine, kind: type[E], drafts: Sequence[Draft] = ()) -> E:
    """The first event of that kind among `drafts` or in what is posted next; what came with it is posted again."""
    until = machine.clock.now() + WAIT_MICROS
    others: list[Draft] = []
    while True:
        for place, draft in enumerate(drafts):
            if isinstance(draft.event, kind):
                for other in (*others, *drafts[place + 1 :]):
                    machine.mailbox.post(other)
                return draft.event
        others += drafts
        assert machine.clock.now() < until, f"no {kind.__name__} came, but {others}"
        drafts = await machine.mailbox.wait(until)


async def start(machine: Machine, run: Position, program: Program, port: int = 0) -> RunStarted:
    """Start a run that is expected to begin."""
    return await seen(machine, RunStarted, machine.processes.start(run, machine.launch(program, port)))


async def refusal(machine: Machine, drafts: Sequence[Draft]) -> RunRefused:
    """Why a run did not begin, told at once or a moment later."""
    return await seen(machine, RunRefused, drafts)


def only(drafts: Sequence[Draft], kind: type[E]) -> E:
    """The one event that was answered."""
    assert [type(draft.event) for draft in drafts] == [kind]
    event = drafts[0].event
    assert isinstance(event, kind)
    return event


class ProcessesConformance:
    """Runs begin once each, are watched to their end, and are found again."""

    async def test_a_run_begins_and_its_exit_code_is_posted(self, machine: Machine) -> None:
        """Who starts a run hears how it began, and later how it ended."""
        began = await start(machine, 1, "exits 3")
        assert (began.run, began.instance) == (1, "web.1")
        assert began.pid > 0
        ended = await seen(machine, RunExited)
        assert (ended.run, ended.instance, ended.exit_code, ended.signal) == (1, "web.1", 3, None)

    async def test_a_good_end_is_code_0(self, machine: Machine) -> None:
        """Nothing is made up for a run that ended well."""
        await start(machine, 1, "exits 0")
        ended = await seen(machine, RunExited)
        assert (ended.exit_code, ended.signal, ended.detail) == (0, None, "")

    async def test_a_crash_is_posted_with_its_signal(self, machine: Machine) -> None:
        """A signal is told by its name and never as an exit code."""
        await start(machine, 1, "lives")
        machine.crash(1)
        ended = await seen(machine, RunExited)
        assert (ended.exit_code, ended.signal) == (None, "KILL")

    async def test_a_missing_program_is_refused(self, machine: Machine) -> None:
        """A run that can't begin is refused at once, with advice."""
        refused = await refusal(machine, machine.processes.start(1, machine.launch("missing")))
        assert (refused.run, refused.instance) == (1, "web.1")
        assert refused.error
        assert refused.advice

    async def test_a_port_of_a_stranger_is_refused_with_its_owner(self, machine: Machine) -> None:
        """Who would find its port taken is not started at all."""
        with machine.occupy(machine.free_port):
            refused = await refusal(machine, machine.processes.start(1, machine.launch("lives", machine.free_port)))
        assert refused.port == machine.free_port
        assert refused.owner is not None
        assert str(machine.free_port) in refused.error

    async def test_no_run_begins_twice(self, machine: Machine) -> None:
        """A run that lives is not started again."""
        await start(machine, 1, "lives")
        assert "before" in (await refusal(machine, machine.processes.start(1, machine.launch("lives")))).error

    async def test_a_run_that_ended_does_not_begin_again(self, machine: Machine) -> None:
        """A run's name is used for one process life only."""
        await start(machine, 1, "exits 0")
        await seen(machine, RunExited)
        assert "before" in (await refusal(machine, machine.processes.start(1, machine.launch("lives")))).error

    async def test_a_run_ends_when_it_is_asked(self, machine: Machine) -> None:
        """A stop reaches it and its end is posted."""
        await start(machine, 1, "lives")
        assert only(machine.processes.signal(1, "web.1", "TERM", tree=False), SignalSent).reached == 1
        assert (await seen(machine, RunExited)).run == 1

    async def test_who_ignores_a_stop_is_killed(self, machine: Machine) -> None:
        """KILL ends what does not listen."""
        await start(machine, 1, "ignores TERM")
        await machine.ready(1)
        only(machine.processes.signal(1, "web.1", "TERM", tree=False), SignalSent)
        assert await machine.mailbox.wait(machine.clock.now() + 100_000) == []
        assert only(machine.processes.signal(1, "web.1", "KILL", tree=True), SignalSent).reached == 1
        assert (await seen(machine, RunExited)).signal == "KILL"

    async def test_what_stands_still_ends_once_it_goes_on(self, machine: Machine) -> None:
        """A paused run hears nothing until it is resumed."""
        await start(machine, 1, "lives")
        assert only(machine.processes.signal(1, "web.1", "STOP", tree=True), SignalSent).reached == 1
        only(machine.processes.signal(1, "web.1", "TERM", tree=False), SignalSent)
        assert await machine.mailbox.wait(machine.clock.now() + 100_000) == []
        assert only(machine.processes.signal(1, "web.1", "CONT", tree=True), SignalSent).reached == 1
        assert (await seen(machine, RunExited)).run == 1

    async def test_a_signal_for_a_run_that_is_over_reaches_nobody(self, machine: Machine) -> None:
        """A late signal hits no stranger."""
        await start(machine, 1, "exits 0")
        await seen(machine, RunExited)
        assert only(machine.processes.signal(1, "web.1", "KILL", tree=True), SignalSent).reached == 0
        assert only(machine.processes.signal(9, "web.1", "TERM", tree=False), SignalSent).reached == 0

    async def test_a_run_is_adopted_alive_and_its_end_is_heard(self, machine: Machine) -> None:
        """The next supervisor takes over what runs."""
        began = await start(machine, 1, "lives")
        later = machine.successor()
        adopted = only(later.processes.adopt(1, "web.1"), RunAdopted)
        assert (adopted.run, adopted.instance, adopted.pid) == (1, "web.1", began.pid)
        later.crash(1)
        ended = await seen(later, RunExited)
        assert (ended.run, ended.exit_code, ended.signal) == (1, None, "KILL")

    async def test_an_adopted_run_can_be_stopped(self, machine: Machine) -> None:
        """Who was taken over listens as before."""
        await start(machine, 1, "lives")
        later = machine.successor()
        only(later.processes.adopt(1, "web.1"), RunAdopted)
        assert only(later.processes.signal(1, "web.1", "TERM", tree=False), SignalSent).reached == 1
        assert (await seen(later, RunExited)).run == 1

    async def test_an_end_that_nobody_saw_is_learned(self, machine: Machine) -> None:
        """What ended while no supervisor lived is known to the next one, with its exit code."""
        await start(machine, 1, "exits 3")
        await seen(machine, RunExited)
        ended = only(machine.successor().processes.adopt(1, "web.1"), RunExited)
        assert (ended.run, ended.exit_code, ended.signal) == (1, 3, None)

    async def test_a_run_that_never_began_is_abandoned_and_never_will(self, machine: Machine) -> None:
        """A decision without a process is closed for good."""
        later = machine.successor()
        assert only(later.processes.adopt(1, "web.1"), RunAbandoned).run == 1
        assert "before" in (await refusal(later, later.processes.start(1, later.launch("lives")))).error

    async def test_a_forgotten_run_does_not_disturb_others(self, machine: Machine) -> None:
        """Once an end is recorded, nothing is left of it; forgetting twice is harmless."""
        await start(machine, 1, "exits 0")
        await seen(machine, RunExited)
        machine.processes.forget(1)
        machine.processes.forget(1)
        await start(machine, 2, "exits 3")
        assert (await seen(machine, RunExited)).run == 2


class SocketsConformance:
    """Ports are held for one and refused to others."""

    async def test_a_held_port_is_kept_from_others(self, machine: Machine) -> None:
        """Two holders of one port would be a lie."""
        assert machine.sockets.hold(machine.free_port, "127.0.0.1", "tcp") is None
        with contextlib.suppress(OSError), machine.occupy(machine.free_port):
            assert not list(machine.sockets.owners(machine.free_port))
        machine.sockets.release(machine.free_port)

    async def test_a_port_that_was_let_go_is_free(self, machine: Machine) -> None:
        """Who lets go can hold again, and letting go twice is harmless."""
        for _ in range(2):
            assert machine.sockets.hold(machine.free_port, "127.0.0.1", "tcp") is None
            machine.sockets.release(machine.free_port)
            machine.sockets.release(machine.free_port)

    async def test_a_strangers_port_can_not_be_held(self, machine: Machine) -> None:
        """The reason is told, and who has it."""
        with machine.occupy(machine.free_port):
            assert machine.sockets.hold(machine.free_port, "127.0.0.1", "tcp")
            assert len(machine.sockets.owners(machine.free_port)) == 1
        assert not list(machine.sockets.owners(machine.free_port))

    async def test_the_ephemeral_range_is_a_range(self, machine: Machine) -> None:
        """It is what the system says, and lies among the ports."""
        first, last = machine.sockets.ephemeral_range()
        assert 1024 <= first < last <= 65535


class TimeConformance:
    """Time goes forward, and observations keep their order."""

    async def test_time_never_goes_back(self, machine: Machine) -> None:
        """Each look at the clock is at least as late as the one before."""
        looks = [machine.clock.now() for _ in range(1000)]
        assert looks == sorted(looks)

    async def test_what_was_left_comes_in_order(self, machine: Machine) -> None:
        """The mailbox gives everything once, the oldest first."""
        events = [RunAbandoned(instance="web.1", run=number) for number in range(5)]
        for event in events:
            machine.mailbox.post(Draft(event))
        left: list[Draft] = []
        while len(left) < len(events):
            left += await machine.mailbox.wait(machine.clock.now() + WAIT_MICROS)
        assert [draft.event for draft in left] == events

    async def test_waiting_ends_at_its_moment(self, machine: Machine) -> None:
        """Without an observation, the wait ends when it was to end, and not before."""
        until = machine.clock.now() + 20_000
        assert await machine.mailbox.wait(until) == []
        assert machine.clock.now() >= until

    async def test_waiting_until_the_past_returns_at_once(self, machine: Machine) -> None:
        """A moment that has passed is no reason to sleep."""
        assert await machine.mailbox.wait(machine.clock.now() - 1) == []

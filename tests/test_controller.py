"""The loop: what was seen and decided is durable before it is done, and nothing that was seen is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from events.catalog import (
    CommandReceived,
    Decision,
    KillDecided,
    LogOpened,
    LogSlow,
    PortChosen,
    PortRequest,
    RunAdopted,
    RunExited,
    Service,
    StartDecided,
    StopDecided,
    SupervisorStarted,
    SupervisorStopped,
)
from events.envelope import Draft, Recorded
from events.errors import LogFullError
from nexus.controller import Controller, Effect
from nexus.effectors.leases import LeaseEffector
from nexus.effectors.processes import ProcessEffector
from nexus.platforms.base import Launch
from nexus.platforms.simulated import SimulatedPlatform
from nexus.platforms.simulated_world import CALM, SECOND, World
from projections.state import State, decode, encode, evolve_all
from tests.given import declared, service
from tests.simulation.disk import FaultyLog
from tests.waiting import until_async

WEB = service("web")
PORT = service("api", PortRequest())


class Life:
    """One supervisor in a quiet world; `events` are what its subscribers were told."""

    def __init__(self, world: World | None = None, log: FaultyLog | None = None) -> None:
        self.world = world or World(1, CALM)
        self.log = log or FaultyLog(self.world)
        self.platform = SimulatedPlatform(self.world)
        self.acts: list[Decision] = []
        self.events: list[Recorded] = []
        state = evolve_all(State(), self.log.history)
        self.controller = Controller(
            self.log, self.platform.clock, self.platform.mailbox, self.platform.processes, self._effects(), state
        )
        self.controller.subscribers.append(self._told)

    def _effects(self) -> dict[type[Decision], Effect]:
        runs = ProcessEffector(
            self.platform.processes, self.platform.sockets, lambda it: Launch(it.instance, (it.service,), {}, "", "")
        )
        return {
            StartDecided: self._counting(runs.start),
            StopDecided: self._counting(runs.stop),
            KillDecided: self._counting(runs.kill),
            PortChosen: self._counting(LeaseEffector(self.platform.sockets).hold),
        }

    def _counting(self, effect: Effect) -> Effect:
        def counted(seq: int, decision: Decision) -> list[Draft]:
            self.acts.append(decision)
            return effect(seq, decision)

        return counted

    def _told(self, _: State, events: Sequence[Recorded]) -> None:
        self.events += events

    def up(self, *services: Service) -> Life:
        """The services are declared and wanted."""
        self.controller.recover(SupervisorStarted(pid=1), declared(*services))
        self.controller.turn([Draft(CommandReceived(verb="up"))])
        self.look()
        return self

    def look(self, seconds: float = 1.0) -> None:
        """Let the world go on, and see what it brings."""
        until = self.platform.clock.now() + int(seconds * SECOND)
        while self.platform.clock.now() < until:
            wake_at = self.controller._wake_at()
            drafts = asyncio.run(self.platform.mailbox.wait(until if wake_at is None else min(until, wake_at)))
            self.controller.turn(drafts)

    def kinds(self) -> list[str]:
        """What was recorded, in words."""
        return [it.event.kind() for it in self.log.history]


# -- one turn ------------------------------------------------------------------------------------


def test_a_decision_is_durable_before_it_is_carried_out() -> None:
    """When a run begins, its decision is in the log."""
    life = Life()
    seen: list[str] = []
    life.world.watchers.append(lambda process: seen.append(life.log.history[process.run - 1].event.kind()))
    life.up(WEB)
    assert seen == ["start.decided"]


def test_outcomes_are_caused_by_their_decision() -> None:
    """RunStarted names the decision that it comes from."""
    life = Life().up(WEB)
    started = next(it for it in life.log.history if it.event.kind() == "run.started")
    assert isinstance(life.log.history[(started.cause or 0) - 1].event, StartDecided)


def test_the_end_of_a_run_that_was_asked_to_end_names_the_decision() -> None:
    """RunExited after a stop is the stop's outcome, and that of a crash has no cause."""
    life = Life().up(WEB, PORT)
    crashed = next(it for it in life.world.living.values() if it.instance == "api.1")
    life.world.exit(crashed, 1)
    life.controller.turn([Draft(CommandReceived(verb="stop", services=("web",)))])
    life.look()
    ends = {it.event.instance: it.cause for it in life.log.history if isinstance(it.event, RunExited)}
    stop = next(it.seq for it in life.log.history if isinstance(it.event, StopDecided))
    assert ends == {"api.1": None, "web.1": stop}


def test_the_end_of_a_run_is_forgotten_once_it_is_recorded() -> None:
    """What was kept to find a run again goes when its end is in the log."""
    life = Life().up(WEB)
    assert list(life.world.begun.values()) == ["web.1"]
    life.controller.turn([Draft(CommandReceived(verb="down"))])
    life.look()
    assert life.world.begun == {}


def test_nothing_is_done_that_could_not_be_recorded() -> None:
    """With a full disk nothing is started, and what was seen is decided upon once there is room."""
    life = Life().up(WEB)
    fill(life)
    life.world.exit(next(iter(life.world.living.values())), 1)
    acts = len(life.acts)
    life.look()
    assert len(life.acts) == acts
    life.world.disk_full = False
    life.look(5.0)
    assert isinstance(life.acts[-1], StartDecided)
    assert len(life.acts) == acts + 1


def fill(life: Life) -> None:
    """The disk is full, and the ballast is used up."""
    life.world.disk_full = True
    life.log._ballast = -1


def test_what_was_seen_is_tried_again_after_a_second() -> None:
    """A supervisor whose disk is full sleeps between its tries, and goes by its deadlines no sooner."""
    life = Life().up(WEB)
    fill(life)
    life.controller.turn([Draft(RunExited(instance="web.1", run=0))])
    assert life.controller._wake_at() == life.platform.clock.now() + SECOND
    life.world.disk_full = False
    life.look(1.1)
    assert life.controller._wake_at() is None


def test_deadlines_wake_the_supervisor() -> None:
    """It sleeps until the next one, and until something happens where there is none."""
    life = Life().up(WEB)
    assert life.controller._wake_at() is None
    life.world.exit(next(iter(life.world.living.values())), 1)
    drafts = asyncio.run(life.platform.mailbox.wait(None))
    life.controller.turn(drafts)
    assert life.controller._wake_at() == life.controller.state.deadlines.next_due()


def test_a_slow_disk_is_told_once_a_minute() -> None:
    """A commit that takes longer than a second is an event, and the next ones within a minute are not."""
    life = Life().up(WEB)
    life.world.disk_slow = True
    for _ in range(3):
        life.controller.turn([Draft(CommandReceived(verb="up"))])
    life.world.disk_slow = False
    life.look()
    assert [it.event.append_seconds for it in life.log.history if isinstance(it.event, LogSlow)] == [2.5]


def test_what_happens_to_the_log_is_told() -> None:
    """The ballast that was freed is an event."""
    life = Life().up(WEB)
    life.world.disk_full = True
    life.controller.turn([Draft(CommandReceived(verb="up"))])
    assert life.kinds()[-1] == "log.full"


# -- files ---------------------------------------------------------------------------------------


def test_a_new_file_carries_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first event of a new file holds everything known, and subscribers are told of it."""
    monkeypatch.setattr("tests.simulation.disk.FILE_EVENTS", 4)
    life = Life().up(WEB)
    opened = next(it for it in life.events if isinstance(it.event, LogOpened))
    assert isinstance(opened.event, LogOpened)
    assert decode(bytes(opened.event.state)).seq == opened.seq - 1
    assert life.controller.state == evolve_all(State(), life.log.history)


def test_a_file_that_can_not_be_begun_has_to_wait(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Supervision goes on in the old file, and the operator's log says why."""
    life = Life().up(WEB)
    monkeypatch.setattr("tests.simulation.disk.FILE_EVENTS", 1)
    monkeypatch.setattr(FaultyLog, "rotate", _full)
    life.controller.turn([Draft(CommandReceived(verb="restart", services=("web",)))])
    life.look(5.0)
    assert "the books could not be closed" in caplog.text
    assert life.controller.state.services.instances["web.1"].state == "running"


def _full(*_: object) -> Recorded:
    raise LogFullError("the disk is full")


def test_a_damaged_file_is_left_for_a_new_one_at_once() -> None:
    """What could not be written to the damaged file is written to the next, and the damage is told."""
    life = Life().up(WEB)
    life.log._damaged = True
    life.world.exit(next(iter(life.world.living.values())), 1)
    life.look(5.0)
    kinds = life.kinds()
    assert kinds.index("log.damaged") == kinds.index("run.exited") + 1
    assert life.controller.state.services.instances["web.1"].state == "running"


# -- commands ------------------------------------------------------------------------------------


async def test_a_command_is_accepted_once_it_is_durable() -> None:
    """Its answer is the position of its event, and asking again gives the same."""
    life = Life()
    first = asyncio.create_task(life.controller.submit(CommandReceived(verb="up", command_id="a"), "me"))
    again = asyncio.create_task(life.controller.submit(CommandReceived(verb="up", command_id="a"), "me"))
    await until_async(lambda: bool(life.platform.mailbox._left))
    assert not first.done()
    life.controller.turn(await life.platform.mailbox.wait(None))
    later = await life.controller.submit(CommandReceived(verb="up", command_id="a"), "me")
    assert {await first, await again, later} == {life.log.history[-1].seq}
    assert life.log.history[-1].actor == "me"


async def test_commands_without_an_id_are_two() -> None:
    """Nobody gets the answer to another's command."""
    life = Life()
    asking = [asyncio.create_task(life.controller.submit(CommandReceived(verb=verb))) for verb in ("up", "down")]
    await until_async(lambda: len(life.platform.mailbox._left) == 2)
    life.controller.turn(await life.platform.mailbox.wait(None))
    positions = await asyncio.gather(*asking)
    assert [life.log.history[seq - 1].event.kind() for seq in positions] == ["command.received"] * 2
    assert positions[0] != positions[1]


async def test_a_command_that_can_not_be_recorded_is_refused() -> None:
    """Whoever asks is told why, and nothing of it happens later."""
    life = Life()
    fill(life)
    asking = asyncio.create_task(life.controller.submit(CommandReceived(verb="up", command_id="a")))
    await until_async(lambda: bool(life.platform.mailbox._left))
    life.controller.turn(await life.platform.mailbox.wait(None))
    with pytest.raises(LogFullError):
        await asking
    life.world.disk_full = False
    life.controller.turn([])
    assert "command.received" not in life.kinds()


async def test_an_answer_that_nobody_waits_for_harms_nobody() -> None:
    """Whoever stops waiting does not keep the command from being recorded or refused."""
    life = Life()
    for command_id in ("recorded", "refused"):
        asking = asyncio.create_task(life.controller.submit(CommandReceived(verb="up", command_id=command_id)))
        await until_async(lambda: bool(life.platform.mailbox._left))
        asking.cancel()
        life.controller._commands[command_id].cancel()
        if command_id == "refused":
            fill(life)
        life.controller.turn(await life.platform.mailbox.wait(None))
    assert life.kinds().count("command.received") == 1


# -- one life after another ----------------------------------------------------------------------


def test_recovery_looks_at_the_world_first() -> None:
    """What still runs is adopted, what ended meanwhile is known, and both are caused by nothing that was undone."""
    life = Life().up(WEB, PORT)
    life.world.forget_supervisor()
    life.world.exit(next(it for it in life.world.living.values() if it.instance == "api.1"), 3)
    after = Life(life.world, life.log)
    after.controller.recover(SupervisorStarted(pid=2))
    after.look(5.0)
    assert [it.event.instance for it in after.events if isinstance(it.event, RunAdopted)] == ["web.1"]
    assert [it.event.exit_code for it in after.events if isinstance(it.event, RunExited)] == [3]
    assert {it.state for it in after.controller.state.services.instances.values()} == {"running"}


def test_a_pending_stop_is_carried_out_again_and_a_pending_start_is_not() -> None:
    """A signal may be repeated, a start never: the policies decide a new one."""
    life = Life().up(WEB, PORT)
    stop, start = pending(life, "web.1"), crashed(life, "api.1")
    after = Life(life.world, life.log)
    after.controller.recover(SupervisorStarted(pid=2))
    repeated = [it for it in after.acts if isinstance(it, StopDecided)]
    started = [it.seq for it in after.events if isinstance(it.event, StartDecided)]
    assert repeated == [life.log.history[stop - 1].event]
    assert start not in started
    assert len(started) == 1


def pending(life: Life, name: str) -> int:
    """The supervisor dies after the commit of a stop and before the signal; the decision's position."""
    life.controller.effects = {}
    life.controller.turn([Draft(CommandReceived(verb="stop", services=(name.rpartition(".")[0],)))])
    return life.log.history[-1].seq


def crashed(life: Life, name: str) -> int:
    """A run ends, its restart is decided, and the supervisor dies before it begins; the decision's position."""
    life.world.exit(next(it for it in life.world.living.values() if it.instance == name), 1)
    life.look(5.0)
    life.world.forget_supervisor()
    return next(it.seq for it in reversed(life.log.history) if isinstance(it.event, StartDecided))


def test_a_run_that_the_history_lost_is_replaced() -> None:
    """It is found alive although no decision speaks of it, asked to end, and begun anew with a decision."""
    life = Life().up(WEB)
    lost = next(iter(life.world.living.values()))
    life.world.forget_supervisor()
    after = Life(life.world, FaultyLog(life.world))
    after.controller.recover(SupervisorStarted(pid=2), declared(WEB))
    after.controller.turn([Draft(CommandReceived(verb="up"))])
    after.look(5.0)
    assert lost.over
    assert [it.instance for it in life.world.living.values()] == ["web.1"]
    assert after.controller.state.services.instances["web.1"].state == "running"


def test_a_run_that_the_history_lost_and_that_is_over_is_forgotten() -> None:
    """Nothing is recorded of it, and nobody looks for it again."""
    life = Life().up(WEB)
    life.world.forget_supervisor()
    life.world.exit(next(iter(life.world.living.values())), 0)
    after = Life(life.world, FaultyLog(life.world))
    after.controller.recover(SupervisorStarted(pid=2), declared(WEB))
    assert life.world.begun == {}
    assert [it.event.kind() for it in after.events] == ["supervisor.started", "configuration.loaded"]


def test_nothing_is_decided_by_what_was_declared_before() -> None:
    """A service that went from the file while no supervisor ran is not started by the next one."""
    life = Life().up(WEB, PORT)
    life.world.forget_supervisor()
    for process in list(life.world.living.values()):
        life.world.exit(process, 1)
    after = Life(life.world, life.log)
    after.controller.recover(SupervisorStarted(pid=2), declared(WEB))
    after.look(5.0)
    assert {it.instance for it in after.acts if isinstance(it, StartDecided)} == {"web.1"}


async def test_a_life_ends_when_everything_is_down() -> None:
    """`run` returns once the shutdown is completed, and the end in good order is recorded with what it left."""
    life = Life()
    life.controller.recover(SupervisorStarted(pid=1), declared(WEB))
    life.platform.mailbox.post(Draft(CommandReceived(verb="up")))
    life.world.later(10.0, lambda: life.platform.mailbox.post(Draft(CommandReceived(verb="down"))))
    await life.controller.run()
    life.controller.stop(1)
    assert life.log.history[-1].event == SupervisorStopped(pid=1)
    assert not life.world.living


async def test_a_supervisor_may_leave_its_services_running() -> None:
    """`detach` ends the supervisor alone, and its last event names what goes on without it."""
    life = Life()
    life.controller.recover(SupervisorStarted(pid=1), declared(WEB))
    life.platform.mailbox.post(Draft(CommandReceived(verb="up")))
    life.world.later(10.0, lambda: life.platform.mailbox.post(Draft(CommandReceived(verb="detach"))))
    await life.controller.run()
    life.controller.stop(1)
    assert life.log.history[-1].event == SupervisorStopped(pid=1, services_left_running=("web.1",))
    assert [it.instance for it in life.world.living.values()] == ["web.1"]


def test_the_state_is_what_a_refold_of_the_log_gives() -> None:
    """What the loop knows and what its history says are one."""
    life = Life().up(WEB, PORT)
    life.controller.turn([Draft(CommandReceived(verb="restart", services=("api",)))])
    life.look(5.0)
    assert evolve_all(State(), life.log.history) == life.controller.state == decode(encode(life.controller.state))

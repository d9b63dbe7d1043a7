"""One seed: a world, the supervisors that live in it one after the other, and those who give them commands."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial

import msgspec

from events.catalog import (
    CommandReceived,
    Decision,
    DrainDecided,
    KillDecided,
    LeaseEnded,
    LeaseGranted,
    LimitsDecided,
    PauseDecided,
    PortChosen,
    PortReleased,
    PortReserved,
    ReservationEnded,
    ResumeDecided,
    RunDrained,
    SignalDecided,
    StartDecided,
    StopDecided,
    SupervisorStarted,
    Value,
    Verb,
)
from events.envelope import Draft, Position, Recorded
from events.errors import LogError
from nexus.controller import Controller, Effect
from nexus.effectors.leases import LeaseEffector
from nexus.effectors.limits import LimitsEffector
from nexus.effectors.processes import ProcessEffector
from nexus.platforms.base import Launch
from nexus.platforms.simulated import SimulatedPlatform
from nexus.platforms.simulated_world import Faults, SupervisorKilled, World
from nexus.policies.step import POLICIES, Policy
from projections.state import State, decode, encode, evolve_all
from tests.simulation.audit import audit
from tests.simulation.disk import FaultyLog
from tests.simulation.endpoints import nothing_wrong, told
from tests.simulation.services import FIXED, POOL, SERVICES, changed, configuration
from tests.simulation.witness import Witness, insist

COMMAND_EVERY_SECONDS = 150.0
TOLD_EVERY_SECONDS = 1_200.0
JOB, JOB_EVERY_SECONDS = "export", 1260.0
CALM_SECONDS = 900.0
LAST_FAILURES_SECONDS = 120.0
SHUTDOWN_SECONDS = 120.0
ROUNDS_FOR_AN_ANSWER = 5
EVENTS_SHOWN = 40

VERBS: tuple[Verb, ...] = ("start", "stop", "restart", "pause", "resume", "signal", "up", "down", "detach")
WEIGHTS = (6, 4, 10, 5, 2, 1, 3, 1, 1)


class Summary(msgspec.Struct):
    """What one seed went through."""

    hours: float
    events: int
    lives: int
    faults: dict[str, int]


class Simulation:
    """A world with `hours` of faults, then a calm quarter of an hour, then a shutdown."""

    controller_type = Controller
    platform_type = SimulatedPlatform

    def __init__(
        self, seed: int, hours: float, faults: Faults | None = None, policies: Sequence[Policy] = POLICIES
    ) -> None:
        self.hours, self.policies = hours, policies
        ports = [*FIXED, *range(POOL.first, POOL.last + 1)]
        tasks = [name for name, service in SERVICES.items() if service.task]
        self.world = World(seed, faults or Faults(), SERVICES, tasks, ports)
        self.dice, self.speech = self.world.random, random.Random(seed)
        self.log = FaultyLog(self.world)
        self.witness = Witness(self.world, self.log)
        self.services = SERVICES
        self.lives = self.commands = 0
        self.wants_up = True
        self.phase = "faults"
        self.asked: list[CommandReceived] = []
        self.acknowledged: dict[str, Position] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.controller: Controller | None = None
        self.platform: SimulatedPlatform | None = None

    async def run(self) -> Summary:
        """The whole story; raises BrokenInvariantError, or whatever else goes wrong."""
        self.world.later(self.hours * 3600, self._calm_down)
        self._ask_later()
        self._tell_later()
        self.world.later(JOB_EVERY_SECONDS, self._job)
        while self.phase != "over":
            await self._life()
            self.world.pass_time(self.dice.random() * self.dice.choice((0.1, 3, 60)))
        self.witness.all_down()
        for command_id, position in self.acknowledged.items():
            event = self.log.history[position - 1].event
            kept = isinstance(event, CommandReceived) and event.command_id == command_id
            insist(kept, "nothing acknowledged is lost", (command_id, position))
        self.world.counts["a port is held ahead"] += sum(isinstance(it.event, PortReserved) for it in self.log.history)
        insist(list(self.log.inner.read()) == self.log.history, "what is read is what was written")
        audit(self.log.history, self.witness.state, self.policies)
        return Summary(self.hours, len(self.log.history), self.lives, dict(self.world.counts))

    # -- lives -------------------------------------------------------------------------------------

    async def _life(self) -> None:
        self.lives += 1
        self.log.open(self.world.time + self.world.wall_ahead)
        state = self._remembered()
        platform = self.platform = self.platform_type(self.world, state.at)
        self.controller = self.controller_type(
            self.log, platform.clock, platform.mailbox, platform.processes, self._effects(), state, self.policies
        )
        self.witness.takes_over(state)
        self.controller.subscribers += [
            platform.probes.follow,
            platform.memory.follow,
            self._answered,
            self._drains,
            self.witness.recorded,
        ]
        platform.mailbox.before_wait = self._idle
        try:
            loaded = None if state.services.declared == self.services else configuration(self.services)
            self.controller.recover(SupervisorStarted(pid=self.lives, platform="simulated"), loaded)
            if self.wants_up or self.phase == "calm":
                self.ask("up")
            await self.controller.run()
            self.controller.stop(self.lives)
            self._well_ended()
        except SupervisorKilled:
            self.wants_up = self.wants_up or self.dice.random() < 0.5
        finally:
            self.world.forget_supervisor()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            self.tasks.clear()

    def _remembered(self) -> State:
        """The state as a new process finds it: from the last snapshot and the events after it."""
        known = self.witness.state
        state = decode(encode(known)) if known.seq else State()
        return evolve_all(state, self.log.history[state.seq :])

    def _effects(self) -> dict[type[Decision], Effect]:
        assert self.platform is not None
        runs = ProcessEffector(self.platform.processes, self.platform.sockets, self._launch)
        leases = LeaseEffector(self.platform.sockets)
        return {
            StartDecided: runs.start,
            StopDecided: runs.stop,
            KillDecided: runs.kill,
            PauseDecided: runs.pause,
            ResumeDecided: runs.resume,
            SignalDecided: runs.tell,
            LimitsDecided: LimitsEffector(self.platform.limiter).limit,
            PortChosen: leases.hold,
            PortReleased: leases.release,
            LeaseGranted: leases.grant,
            LeaseEnded: leases.release,
            PortReserved: leases.reserve,
            ReservationEnded: leases.unreserve,
        }

    def _launch(self, decision: StartDecided) -> Launch:
        if decision.service not in self.services:
            raise ValueError(f"{decision.service} is no longer in nexus.toml")
        ports = dict.fromkeys(decision.ports.values(), "127.0.0.1")
        return Launch(decision.instance, (decision.service,), {}, "", "", ports=ports)

    def _idle(self) -> None:
        assert self.controller is not None
        self.witness.idle(self.controller)

    def _well_ended(self) -> None:
        self.wants_up = True
        if self.phase == "shutdown":
            self.phase = "over"

    # -- commands ----------------------------------------------------------------------------------

    def ask(self, verb: Verb, *services: str, **arguments: Value) -> None:
        """Somebody types a command; sometimes twice."""
        self.commands += 1
        command = CommandReceived(
            verb=verb, services=services, command_id=f"c{self.commands}", arguments=arguments
        )  # fmt: skip
        self.asked.append(command)
        self._submit(command)
        if self.dice.random() < 0.2:
            self._submit(self.dice.choice(self.asked[-3:]))

    def _submit(self, command: CommandReceived) -> None:
        if self.platform is not None and self.platform.alive:
            self.tasks.add(asyncio.ensure_future(self._wait_for(command)))
            self.platform.mailbox.others_wait = ROUNDS_FOR_AN_ANSWER

    async def _wait_for(self, command: CommandReceived) -> None:
        assert self.controller is not None
        try:
            position = await self.controller.submit(command, "somebody")
        except LogError:
            self.world.counts["commands refused"] += 1
            return
        known = self.acknowledged.setdefault(command.command_id, position)
        insist(known == position, "asking twice is asking once", (command, known, position))
        if command.verb in ("up", "down", "detach"):
            self.wants_up = command.verb != "down"

    def _answered(self, _: State, events: Sequence[Recorded]) -> None:
        if self.tasks and self.platform is not None:
            self.platform.mailbox.others_wait = ROUNDS_FOR_AN_ANSWER
            self.tasks = {task for task in self.tasks if not task.done() or task.exception()}

    def _drains(self, state: State, events: Sequence[Recorded]) -> None:
        """Requests under way end sooner or later, if the supervisor lives to see it."""
        for it in events:
            if isinstance(it.event, DrainDecided):
                self.world.counts["runs are drained"] += 1
                seconds = 0.4 + self.world.some_seconds(2.0)
                self.world.later(seconds, partial(self._drained, self.platform, it.event, it.seq))

    def _drained(self, platform: SimulatedPlatform | None, event: DrainDecided, seq: Position) -> None:
        if platform is not None and platform is self.platform and platform.alive:
            platform.mailbox.post(Draft(RunDrained(instance=event.instance, run=event.run), seq))

    def _ask_later(self) -> None:
        self.world.later(self.world.some_seconds(COMMAND_EVERY_SECONDS), self._random_command)

    def _tell_later(self) -> None:
        """Services say of themselves what they offer; with dice of their own, so that the rest goes as it would."""
        self.world.later(self.speech.expovariate(1 / TOLD_EVERY_SECONDS), self._tell)

    def _tell(self) -> None:
        if self.phase == "faults":
            self._tell_later()
            if self.platform is not None and self.platform.alive:
                self.world.counts["endpoints are told"] += 1
                self.platform.mailbox.post(Draft(told(self.speech)))

    def _random_command(self) -> None:
        if self.phase != "faults":
            return
        self._ask_later()
        kind = self.dice.random()
        if kind < 0.2:
            self._edit()
        elif kind < 0.35:
            self._lease()
        elif kind < 0.45:
            self._scale()
        else:
            verb = self.dice.choices(VERBS, WEIGHTS)[0]
            named = self.dice.sample(sorted(self.services), self.dice.randint(1, 2))
            self.world.counts[f"command {verb}"] += 1
            rolling = {"rolling": True} if verb == "restart" and self.dice.random() < 0.5 else {}
            named = ["store", "worker"] if rolling else named
            more: dict[str, Value] = {"signal": "HUP"} if verb == "signal" else {**rolling}
            self.ask(verb, *(() if verb in ("up", "down", "detach") else named), **more)

    def _job(self) -> None:
        """A program starts a job of ours by the clock, whatever else happens."""
        if self.phase == "faults":
            self.world.later(JOB_EVERY_SECONDS, self._job)
            self.ask("start", JOB)

    def _lease(self) -> None:
        """Somebody asks for a port of their own, or gives one back."""
        name = self.dice.choice(("alice", "bob", "notebook"))
        verb: Verb = self.dice.choice(("lease", "lease", "release"))
        self.world.counts[f"command {verb}"] += 1
        term_seconds = self.dice.choice((None, 60.0, 3600.0)) if verb == "lease" else None
        self.ask(verb, lease=name, term_seconds=term_seconds)

    def _scale(self) -> None:
        """Somebody wants more or fewer instances of what needs no port."""
        name = self.dice.choice(("worker", "cron", "mailer", "metrics"))
        self.world.counts["command scale"] += 1
        if name in self.services:
            self.ask("scale", name, instances=self.dice.randint(1, 4))

    def _edit(self) -> None:
        self.world.counts["the configuration is changed"] += 1
        self.services = changed(self.dice)
        if self.platform is not None and self.platform.alive:
            self.platform.mailbox.post(Draft(configuration(self.services)))
            self.ask(self.dice.choice(("up", "reload")), changed=True)

    # -- phases ------------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        self.phase = "calm"
        self.world.calm()
        self.ask("up")
        self._start_all()
        self.world.later(LAST_FAILURES_SECONDS, self._start_all)
        # What stood still until then may have a failure of before to get over.
        self.world.later(2 * LAST_FAILURES_SECONDS, self._start_all)
        self.world.later(CALM_SECONDS, self._shut_down)

    def _start_all(self) -> None:
        if self.platform is not None and self.platform.alive:
            for name in sorted(SERVICES):
                self.platform.mailbox.post(Draft(nothing_wrong(name)))
        self.ask("start", *sorted(self.services))

    def _shut_down(self) -> None:
        self.witness.all_up()
        self.phase = "shutdown"
        self.ask("down")
        self.world.later(SHUTDOWN_SECONDS, self._too_late)

    def _too_late(self) -> None:
        insist(self.phase == "over", "a shutdown ends", self.witness.state.services.runs)


def simulate(
    seed: int, hours: float, faults: Faults | None = None, policies: Sequence[Policy] = POLICIES
) -> Summary:  # fmt: skip
    """Run one seed; whatever goes wrong carries the last events as a note."""
    simulation = Simulation(seed, hours, faults, policies)
    try:
        return asyncio.run(simulation.run())
    except Exception as error:
        last = "\n".join(f"{it.seq} {it.at} {it.event}  <- {it.cause}" for it in simulation.log.history[-EVENTS_SHOWN:])
        error.add_note(f"seed {seed}, {simulation.world.time} µs in the world, last events:\n{last}")
        raise

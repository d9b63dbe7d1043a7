"""The simulated platform: what one supervisor's life sees of a `World`, through the same interfaces as a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from events.catalog import (
    ClockStepped,
    PauseDecided,
    PortOwner,
    Probe,
    ProbeFailed,
    ProbePassed,
    ResumeDecided,
    RunAbandoned,
    RunAdopted,
    RunExited,
    RunRefused,
    RunStarted,
    SignalSent,
)
from events.envelope import Draft, Micros, Position, Recorded
from nexus.platforms.base import Launch
from nexus.platforms.simulated_resources import SimulatedLimiter, SimulatedMemory
from nexus.platforms.simulated_world import Process, World
from projections.state import State

BUSY_SECONDS = 0.003
NEWS_SECONDS = 0.01
TERM_SECONDS = 0.3
KILL_SECONDS = 0.005


class SimulatedClock:
    """The world's time: anchored in its wall clock at the start of a life, and never before `last`."""

    def __init__(self, world: World, last: Micros = 0) -> None:
        self._world = world
        self._ahead = max(world.time + world.wall_ahead, last) - world.time

    def now(self) -> Micros:
        """The present moment."""
        return self._world.time + self._ahead

    def in_world(self, moment: Micros) -> Micros:
        """The world's own time for a moment of this clock."""
        return moment - self._ahead


class SimulatedMailbox:
    """A mailbox whose owner's waiting is what makes the world go on."""

    def __init__(self, world: World, clock: SimulatedClock) -> None:
        self._world, self._clock = world, clock
        self._left: list[Draft] = []
        self.before_wait: Callable[[], None] = lambda: None
        self.others_wait = 0
        """For how many rounds of the event loop other tasks have something to do before the world goes on."""

    def post(self, draft: Draft) -> None:
        """Leave an observation."""
        self._left.append(draft)

    async def wait(self, until: Micros | None) -> list[Draft]:
        """Let the world go on until something was left or `until` has come."""
        await self._let_others()
        self.before_wait()
        limit = None if until is None else self._clock.in_world(until)
        while not self._left and self._world.happen(limit):
            await self._let_others()
        if not self._left:
            assert limit is not None, "the supervisor sleeps and nothing will ever wake it"
            self._world.time = max(self._world.time, limit)
        elif self._world.chance(0.3):
            self._world.pass_time(self._world.random.random() * BUSY_SECONDS)
        left, self._left = self._left, []
        return left

    async def _let_others(self) -> None:
        while self.others_wait:
            self.others_wait -= 1
            await asyncio.sleep(0)


class SimulatedProcesses:
    """Runs in the world: begun once each, found again by their name; some news of them comes a moment later."""

    def __init__(self, world: World, post: Callable[[Draft], None]) -> None:
        self._world, self._post = world, post
        self._untold: dict[Position, Draft] = {}

    def start(self, run: Position, launch: Launch) -> list[Draft]:
        """Make the run exist, unless its program is missing or a port of its own is taken."""
        world = self._world
        world.risk("before a start")
        for port in launch.ports:
            if world.chance(world.faults.port_race):
                world.strange(port, world.some_seconds(world.faults.stranger_for_seconds))
        refused = self._refusal(run, launch)
        if refused is not None:
            return [Draft(refused)] if refused.port else self._sooner_or_later(run, Draft(refused, run))
        process = world.begin(run, launch)
        world.risk("after a start")
        started = RunStarted(instance=launch.instance, run=run, pid=process.pid, created=process.begun)
        return self._sooner_or_later(run, Draft(started, run))

    def _sooner_or_later(self, run: Position, draft: Draft) -> list[Draft]:
        if self._world.chance(0.5):
            return [draft]
        self._untold[run] = draft
        self._world.later(self._world.random.random() * NEWS_SECONDS, lambda: self.news(run))
        return []

    def news(self, run: Position) -> None:
        """Post what is still to be said of a run."""
        draft = self._untold.pop(run, None)
        if draft is not None:
            self._post(draft)

    def _refusal(self, run: Position, launch: Launch) -> RunRefused | None:
        world, program = self._world, launch.argv[0]
        if run in world.begun:
            return RunRefused(instance=launch.instance, run=run, error=f"run {run} was begun before")
        for port in launch.ports:
            owner = world.owner(port)
            if owner is not None:
                error = f"port {port} is taken by {owner}"
                return RunRefused(instance=launch.instance, run=run, error=error, port=port, owner=owner)
        if world.troubles.get(program) == "missing":
            return RunRefused(instance=launch.instance, run=run, error=f"{program}: no such file", advice="install it")
        return None

    def signal(self, run: Position, instance: str, signal: str, *, tree: bool) -> list[Draft]:
        """Send a signal; a run that is over is not reached."""
        world = self._world
        world.risk("before a signal")
        process = world.living.get(run)
        if process is not None:
            self._deliver(process, signal)
        world.risk("after a signal")
        reached = 0 if process is None else 1
        return [Draft(SignalSent(instance=instance, run=run, signal=signal, reached=reached))]

    def _deliver(self, process: Process, signal: str) -> None:
        world = self._world
        if signal == "KILL":
            process.signal = process.signal if not process.main else signal
            world.later(world.random.random() * KILL_SECONDS, lambda: world.vanish(process))
        elif signal == "STOP":
            process.paused = True
        elif signal == "CONT":
            world.go_on(process)
        elif process.main and not process.ignores_term:
            ends = (0, None) if world.chance(0.5) else (None, signal)
            world.later(world.random.random() * TERM_SECONDS, lambda: world.exit(process, *ends))

    def tell(self, run: Position, instance: str, signal: str) -> list[Draft]:
        """A signal that ends nobody."""
        self._world.risk("before a signal")
        reached = int(run in self._world.living)
        return [Draft(SignalSent(instance=instance, run=run, signal=signal, reached=reached))]

    def adopt(self, run: Position, instance: str) -> list[Draft]:
        """What became of a run: alive, over, or never begun."""
        world = self._world
        world.risk("in recovery")
        process = world.processes.get(run)
        if process is None:
            world.begun[run] = instance
            return [Draft(RunAbandoned(instance=instance, run=run))]
        if process.over:
            return [Draft(exited(process))]
        return self._sooner_or_later(run, Draft(RunAdopted(instance=instance, run=run, pid=process.pid)))

    def begun(self) -> dict[Position, str]:
        """Every run that was begun and not forgotten."""
        return dict(self._world.begun)

    def forget(self, run: Position) -> None:
        """What was kept to find the run again is removed."""
        self._world.begun.pop(run, None)


def exited(process: Process) -> RunExited:
    """The end of a run, as a supervisor learns it."""
    return RunExited(
        instance=process.instance, run=process.run, exit_code=process.exit_code, signal=process.signal
    )  # fmt: skip


class SimulatedSockets:
    """Ports in the world; what a supervisor holds is free again when it dies."""

    def __init__(self, world: World) -> None:
        self._world = world

    def hold(self, port: int, host: str, protocol: str, *, shared: bool = False, alone: bool = False) -> str | None:
        """Keep the port from strangers."""
        self._world.risk("before a port is held")
        if self._world.owner(port) is not None or port in self._world.held:
            return "the address is already in use"
        self._world.held.add(port)
        self._world.risk("after a port is held")
        return None

    def release(self, port: int, protocol: str = "") -> None:
        """Let the port go."""
        self._world.held.discard(port)

    def owners(self, port: int, protocol: str = "tcp") -> Sequence[PortOwner]:
        """Who has the port open."""
        owner = self._world.owner(port)
        return [] if owner is None else [owner]

    def ephemeral_range(self) -> tuple[int, int]:
        """As on most Linux machines."""
        return 32_768, 60_999


class _Asked(msgspec.Struct):
    """A run that is asked whether it is well."""

    probe: Probe
    ready: bool
    failures: int = 0
    first: bool = True
    due: bool = False


class SimulatedProbes:
    """Asks runs as the real sensor does, and says nothing while an answer stays good."""

    def __init__(self, world: World, post: Callable[[Draft], None]) -> None:
        self._world, self._post = world, post
        self._asked: dict[Position, _Asked] = {}

    def follow(self, state: State, events: Sequence[Recorded]) -> None:
        """Begin to ask the runs that are new; a subscriber of the controller."""
        for it in events:
            if isinstance(it.event, PauseDecided):
                self._asked.pop(it.event.run, None)
            elif isinstance(it.event, RunStarted | RunAdopted | ResumeDecided):
                declared = state.services.declared.get(it.event.service)
                instance = state.services.instances.get(it.event.instance)
                asked = instance and instance.run == it.event.run and instance.state in ("starting", "running")
                if declared and declared.probe and instance and asked:
                    self._asked[it.event.run] = _Asked(declared.probe, instance.state == "running")
                    self._later(it.event.run, 0.05)

    def look_again(self, process: Process) -> None:
        """Its answer has changed: the next question will notice."""
        asked = self._asked.get(process.run)
        if asked is not None:
            self._later(process.run, asked.probe.interval_seconds if asked.ready else 1.0)

    def _later(self, run: Position, within_seconds: float) -> None:
        asked = self._asked[run]
        if not asked.due:
            asked.due = True
            self._world.later(self._world.random.random() * within_seconds, lambda: self._ask(run, asked))

    def _ask(self, run: Position, asked: _Asked) -> None:
        asked.due = False
        process = self._world.processes[run]
        if process.over or self._asked.get(run) is not asked:
            if self._asked.get(run) is asked:
                del self._asked[run]
        elif process.answers:
            if asked.first or asked.failures or not asked.ready:
                cause = None if asked.ready else run
                self._post(Draft(ProbePassed(instance=process.instance, run=run, detail="answered 200"), cause))
            asked.ready, asked.failures, asked.first = True, 0, False
        else:
            self._failed(process, asked)
            asked.first = False

    def _failed(self, process: Process, asked: _Asked) -> None:
        asked.failures += 1
        limit = asked.probe.unhealthy_after
        if asked.failures == 1 or (asked.ready and asked.failures <= limit):
            detail = "nobody listens" if not process.main or not process.ready else "answered 503"
            failed = ProbeFailed(
                instance=process.instance, run=process.run, failures=asked.failures, limit=limit, detail=detail
            )  # fmt: skip
            self._post(Draft(failed))
        if asked.ready and asked.failures < limit:
            asked.due = True
            self._world.later(asked.probe.interval_seconds, lambda: self._ask(process.run, asked))


class SimulatedPlatform:
    """Everything that one life of a supervisor has of the world; while it lives, it is told what happens."""

    clock_type = SimulatedClock

    def __init__(self, world: World, last: Micros = 0) -> None:
        self.world = world
        self.clock = self.clock_type(world, last)
        self.mailbox = SimulatedMailbox(world, self.clock)
        self.processes = SimulatedProcesses(world, self._post)
        self.sockets = SimulatedSockets(world)
        self.probes = SimulatedProbes(world, self._post)
        self.limiter = SimulatedLimiter(world)
        self.memory = SimulatedMemory(world, self._post)
        world.onlooker = self

    @property
    def alive(self) -> bool:
        """Whether this supervisor still lives."""
        return self.world.onlooker is self

    def _post(self, draft: Draft) -> None:
        if self.alive:
            self.mailbox.post(draft)

    def ended(self, process: Process) -> None:
        """Nothing is left of a run."""
        self.processes.news(process.run)
        self.mailbox.post(Draft(exited(process)))

    def answers_otherwise(self, process: Process) -> None:
        """A probe would now find something else."""
        self.probes.look_again(process)

    def clock_stepped(self, by_seconds: float) -> None:
        """The wall clock was set."""
        self.mailbox.post(Draft(ClockStepped(by_seconds=by_seconds)))

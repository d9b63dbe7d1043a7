"""The mistakes that a developer might make: each is planted in a running simulation, which has to find it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from events.catalog import (
    CommandReceived,
    ConfigurationLoaded,
    Decision,
    KillDecided,
    LimitsDecided,
    ReservationEnded,
    RestartScheduled,
    ResumeDecided,
    RunAbandoned,
    ServiceGivenUp,
    StartDecided,
    SupervisorStarted,
)
from events.envelope import Draft, Micros, Position
from events.errors import LogError
from nexus.controller import Controller
from nexus.effectors.processes import ProcessEffector
from nexus.platforms.simulated import SimulatedClock, SimulatedPlatform, SimulatedProcesses
from nexus.policies import limits, pausing, prediction, restart, rolling, shutdown, startup
from nexus.policies import step as steps
from nexus.policies.step import POLICIES, Policy, step
from projections import services
from projections.deadlines import Deadlines
from projections.leases import Leases
from projections.state import State
from tests.simulation.simulation import Simulation
from tests.simulation.witness import insist

replace = msgspec.structs.replace
ROUNDS_MAX = 200


class Mutant(msgspec.Struct, frozen=True):
    """A mistake: other policies, another controller, or other attributes of the modules under test.

    It shows within `hours` with so many `times` the usual faults.
    """

    name: str
    policies: tuple[Policy, ...] = POLICIES
    controller: type[Controller] = Controller
    platform: type[SimulatedPlatform] = SimulatedPlatform
    changes: tuple[tuple[Any, str, Any], ...] = ()
    hours: float = 0.5
    times: float = 6.0

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """While this lasts, every simulation makes the mistake."""
        changes = (
            *self.changes,
            (Simulation, "controller_type", self.controller),
            (Simulation, "platform_type", self.platform),
        )
        before = [(where, name, getattr(where, name)) for where, name, _ in changes]
        for where, name, value in changes:
            setattr(where, name, value)
        try:
            yield
        finally:
            for where, name, value in before:
                setattr(where, name, value)


def instead(policy: Policy, other: Policy) -> tuple[Policy, ...]:
    """The usual policies with `other` in the place of one of them."""
    return tuple(other if it is policy else it for it in POLICIES)


def without(policy: Policy, *kinds: type[Decision]) -> tuple[Policy, ...]:
    """The usual policies, one of which never decides these kinds."""
    return instead(policy, lambda state: (it for it in policy(state) if not isinstance(it.event, kinds)))


def seeing(policy: Policy, other: Callable[[State], State]) -> tuple[Policy, ...]:
    """The usual policies, one of which sees another state."""
    return instead(policy, lambda state: policy(other(state)))


def undelayed(state: State) -> State:
    """As if no try had to wait."""
    instances = {name: replace(it, delayed=False) for name, it in state.services.instances.items()}
    return replace(state, services=replace(state.services, instances=instances))


def failed_may_start(state: State) -> State:
    """As if nothing had been given up."""
    instances = {
        name: replace(it, state="waiting") if it.state == "failed" else it
        for name, it in state.services.instances.items()
    }
    return replace(state, services=replace(state.services, instances=instances))


def edge_triggered(state: State) -> Iterable[Draft]:
    """Starts only what the last events speak of."""
    return (it for it in startup.decide(state) if it.cause is not None and it.cause >= state.seq - 1)


def with_chance(state: State) -> Iterable[Draft]:
    """Spreads the tries by chance."""
    for it in restart.decide(state):
        if isinstance(it.event, RestartScheduled):
            due = it.event.due + random.randint(0, 1000)
            yield Draft(replace(it.event, due=due), it.cause)
        else:
            yield it


class ForgetsDeadlines(Controller):
    """Keeps deadlines in memory only."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state = replace(self.state, deadlines=Deadlines())


class ActsFirst(Controller):
    """Acts before the decision is durable."""

    def turn(self, seen: Sequence[Draft]) -> None:
        while seen := [*self._unrecorded, *map(self._with_cause, seen), *self._due(), *self._problems()]:
            at = max(self.clock.now(), self.state.at + 1)
            state, events = step(self.state, seen, at, self.policies)
            acts = [(it.seq, it.event) for it in events if isinstance(it.event, Decision)]
            outcomes = [outcome for seq, decision in acts for outcome in self._act(seq, decision)]
            if not self._record(events, seen):
                return
            self.state = state
            self._publish(events)
            seen = outcomes


class CommitsTwice(Controller):
    """Makes what was seen durable first, and what was decided after it."""

    def turn(self, seen: Sequence[Draft]) -> None:
        while seen := [*self._unrecorded, *map(self._with_cause, seen), *self._due(), *self._problems()]:
            at = max(self.clock.now(), self.state.at + 1)
            state, events = step(self.state, seen, at, self.policies)
            if not self._record(events[: len(seen)], seen):
                return
            if events[len(seen) :]:
                self.log.append(events[len(seen) :])
            self.state = state
            self._publish(events)
            acts = [(it.seq, it.event) for it in events if isinstance(it.event, Decision)]
            seen = [outcome for seq, decision in acts for outcome in self._act(seq, decision)]


class RepeatsStarts(Controller):
    """Carries out again every decision that has no outcome, the starts too, and does not look whether they began."""

    def recover(self, started: SupervisorStarted, loaded: ConfigurationLoaded | None = None) -> None:
        pending = self.state.decisions.pending
        starts = [seq for seq, decision in pending.items() if isinstance(decision, StartDecided)]
        known = self.processes.adopt
        self.processes.adopt = lambda run, instance: [] if run in starts else known(run, instance)  # type: ignore[method-assign]
        super().recover(started, loaded)
        self.turn([it for seq in starts for it in self._act(seq, pending[seq])])


class ForgetsStarts(Controller):
    """Takes a start without an outcome for one that never was, and does not look."""

    def recover(self, started: SupervisorStarted, loaded: ConfigurationLoaded | None = None) -> None:
        pending = self.state.decisions.pending
        known = self.processes.adopt

        def adopt(run: Position, instance: str) -> list[Draft]:
            return [Draft(RunAbandoned(instance=instance, run=run))] if run in pending else known(run, instance)

        self.processes.adopt = adopt  # type: ignore[method-assign]
        super().recover(started, loaded)


class IsEarly(Controller):
    """Takes a deadline for due a second before."""

    rounds, moment = 0, 0

    def _due(self) -> list[Draft]:
        now = self.clock.now()
        self.rounds = self.rounds + 1 if now == self.moment else 0
        self.moment = now
        insist(self.rounds < ROUNDS_MAX, "a turn comes to an end", self.state.deadlines.by_key)
        self.clock.ahead = 1_000_000  # type: ignore[attr-defined]
        try:
            return super()._due()
        finally:
            self.clock.ahead = 0  # type: ignore[attr-defined]


class DropsWhatItSaw(Controller):
    """Forgets what could not be recorded."""

    def _keep(self, seen: Sequence[Draft], error: LogError) -> None:
        super()._keep(seen, error)
        self._unrecorded = []


class NeverSleeps(Controller):
    """Tries again at once where the disk is full."""

    def _wake_at(self) -> Micros | None:
        due = self.state.deadlines.next_due()
        return due if not self._unrecorded else self._retry_at if due is None else min(due, self._retry_at)


class AnswersEarly(Controller):
    """Accepts a command before it is durable."""

    async def submit(self, command: CommandReceived, actor: str | None = None) -> Position:
        self.mailbox.post(Draft(command, actor=actor))
        return self.state.seq + 1


class AheadClock(SimulatedClock):
    """A clock that can be asked for a later moment."""

    ahead: Micros = 0

    def now(self) -> Micros:
        return super().now() + self.ahead


class AheadPlatform(SimulatedPlatform):
    """Has such a clock."""

    clock_type = AheadClock


class WallClock(SimulatedClock):
    """Shows the wall clock, however it is set."""

    def now(self) -> Micros:
        return self._world.time + self._world.wall_ahead

    def in_world(self, moment: Micros) -> Micros:
        return moment - self._world.wall_ahead


class WallPlatform(SimulatedPlatform):
    """Goes by the wall clock."""

    clock_type = WallClock


def start_and_keep_ports(self: ProcessEffector, seq: Position, decision: Decision) -> list[Draft]:
    """Starts a run on ports that are still held."""
    assert isinstance(decision, StartDecided)
    try:
        return self.processes.start(seq, self.resolve(decision))
    except ValueError:
        return []


MUTANTS = (
    Mutant("a port is leased twice", changes=((Leases, "taken", lambda _: {}),)),
    Mutant("nothing is given up", policies=without(restart.decide, ServiceGivenUp)),
    Mutant("what was given up starts again", policies=seeing(startup.decide, failed_may_start)),
    Mutant("dependents are not stopped", changes=((shutdown, "_why_lost", lambda *_: None),)),
    Mutant("a drain is not waited for", changes=((shutdown, "drained", lambda *_: True),)),
    Mutant("dependencies are ignored", changes=((startup, "unmet", lambda *_: []),)),
    Mutant("failures are never forgotten", changes=((services, "_forgiven", lambda _, __, it: it),)),
    Mutant("the ladder is ignored", policies=seeing(startup.decide, undelayed)),
    Mutant("starts are edge-triggered", policies=instead(startup.decide, edge_triggered)),
    Mutant("tries are spread by chance", policies=instead(restart.decide, with_chance)),
    Mutant("nobody is killed", policies=without(shutdown.decide, KillDecided)),
    Mutant("a rolling restart does not wait", changes=((rolling, "_is_well", lambda *_: True),)),
    Mutant("what is paused never goes on", policies=without(pausing.decide, ResumeDecided)),
    Mutant("limits are never set", policies=without(limits.decide, LimitsDecided)),
    Mutant("memory has no limit", changes=((shutdown, "_why_too_large", lambda *_: None),)),
    Mutant("the order of shutdown is ignored", changes=((shutdown, "_waits", lambda *_: False),)),
    Mutant("policies are asked once", changes=((steps, "PASSES_MAX", 1),)),
    Mutant("deadlines are kept in memory", controller=ForgetsDeadlines),
    Mutant("deadlines come early", controller=IsEarly, platform=AheadPlatform),
    Mutant("deadlines go by the wall clock", platform=WallPlatform),
    Mutant("acts come before the commit", controller=ActsFirst),
    Mutant("a turn is committed in two parts", controller=CommitsTwice),
    Mutant("recovery adopts nothing", changes=((SimulatedProcesses, "adopt", lambda *_: []),)),
    Mutant("recovery repeats starts", controller=RepeatsStarts),
    Mutant("recovery forgets starts", controller=ForgetsStarts),
    Mutant("lost runs are not looked for", changes=((Controller, "_lost_runs", lambda _: []),)),
    Mutant("what was seen is dropped when the disk is full", controller=DropsWhatItSaw),
    Mutant("a full disk is tried without a pause", controller=NeverSleeps),
    Mutant("commands are accepted before they are durable", controller=AnswersEarly),
    Mutant("ports are not let go before a start", changes=((ProcessEffector, "start", start_and_keep_ports),)),
    Mutant("what is held ahead is kept", policies=without(prediction.decide, ReservationEnded), hours=4.0, times=1.0),
)

"""What must hold at every moment of a simulated world, however bad it is: the invariants, checked as it runs."""

from __future__ import annotations

from collections.abc import Sequence

from events.catalog import DeadlineReached, Limits, Service, StartDecided, StopDecided
from events.envelope import Micros, Position, Recorded
from nexus.controller import Controller
from nexus.platforms.simulated_world import SECOND, Process, World
from projections.conditions import waits_for
from projections.deadlines import PATTERN_REVIEW
from projections.services import Instance
from projections.state import State
from tests.simulation.disk import FaultyLog

SLACK_SECONDS = 3.0
"""For the time that a slow disk, a kill and the telling of it take."""


STUCK_SECONDS = {"its start": 1.0, "its port": 30.0}
"""How long an instance may wait for what only Nexus can give."""

WAITS_MAX = 100
"""How often a supervisor may wait in vain at one moment."""


class BrokenInvariantError(AssertionError):
    """Something that must always hold did not."""


def insist(holds: object, invariant: str, found: object = "") -> None:
    """Raise BrokenInvariantError that names the invariant."""
    if not holds:
        raise BrokenInvariantError(f"{invariant}: {found}")


class Witness:
    """Looks at the world and at the supervisor whenever one of them may have gone wrong."""

    def __init__(self, world: World, log: FaultyLog) -> None:
        self.world, self.log = world, log
        self.state = State()
        self._hopeless_since: dict[str, Micros] = {}
        self._stuck_since: dict[str, Micros] = {}
        self._pending_since: dict[Position, Micros] = {}
        self._checked: Position = -1
        self._waited_at: Micros = 0
        self._look_again_at: Micros = 0
        self._waits_at_moment = 0
        self._grace: dict[str, float] = {}
        self._declared: dict[str, Service] = {}
        self._going = False
        world.watchers.append(self.began)

    def takes_over(self, state: State) -> None:
        """A supervisor begins its life with what it remembers."""
        self.state = state
        self._forget_times()

    def _forget_times(self) -> None:
        for since in (self._hopeless_since, self._pending_since, self._stuck_since):
            since.clear()

    def recorded(self, state: State, events: Sequence[Recorded]) -> None:
        """A turn was committed; a subscriber of the controller."""
        for it in events:
            if isinstance(it.event, StopDecided):
                self._stop_in_order(it.event)
            elif isinstance(it.event, DeadlineReached):
                insist(it.at >= it.event.due, "no deadline is reached before its moment", it)
        self.state = state

    # -- when a run begins -----------------------------------------------------------------------

    def began(self, process: Process) -> None:
        """No run begins twice, undecided, beside another, or before what it needs."""
        decision = self._decision(process.run)
        insist(isinstance(decision, StartDecided), "no run begins without its decision", process)
        assert isinstance(decision, StartDecided)
        insist(decision.instance == process.instance, "a run is begun for the instance it was decided for", process)
        for other in self.world.living.values():
            insist(other is process or other.instance != process.instance, "never two runs of an instance", process)
            both = other is not process and set(other.ports) & set(process.ports)
            insist(not both, "a port is never given to two runs", (process, other))
        held = set(process.ports) & self.world.held
        insist(not held, "a port is let go before its service starts", (process, held))
        for name, condition in self.state.services.declared[decision.service].depends_on.items():
            met = self._is_there(name, condition)
            insist(met, "nothing starts before what it needs", f"{process.instance} needs {name} {condition}")

    def _decision(self, run: Position) -> object:
        history = self.log.history
        return history[run - 1].event if 0 < run <= len(history) else None

    def _is_there(self, service: str, condition: str) -> bool:
        if condition == "completed":
            return any(it.state == "completed" for it in self._instances(service))
        found = [it for it in self.world.living.values() if it.instance.rpartition(".")[0] == service]
        probed = self.state.services.declared[service].probe is not None
        return any(it.ready or condition == "started" or not probed for it in found)

    def _instances(self, service: str) -> list[Instance]:
        return [it for it in self.state.services.instances.values() if it.service == service]

    # -- when a run is asked to end --------------------------------------------------------------

    def _stop_in_order(self, event: StopDecided) -> None:
        others = (it for it in self._instances(event.service) if it.name != event.instance)
        if not event.rule.startswith("shutdown.") or any(it.wanted for it in others):
            return
        for process in self.world.living.values():
            needs = self.state.services.declared.get(process.instance.rpartition(".")[0])
            late = needs and event.service in needs.depends_on and event.service in self.state.services.declared
            insist(not late, "dependents end first", f"{event.instance} is stopped before {process.instance}")

    # -- whenever the supervisor waits -----------------------------------------------------------

    def idle(self, controller: Controller) -> None:
        """A turn is complete: everything is decided, done and known."""
        state = controller.state
        self._waits_at_moment = self._waits_at_moment + 1 if self.world.time == self._waited_at else 0
        self._waited_at = self.world.time
        insist(self._waits_at_moment < WAITS_MAX, "a supervisor with nothing to do sleeps", self.world.time)
        if self.world.disk_slow or self.log.failing:
            self._forget_times()
        if self.log.failing or controller._unrecorded:
            return
        if self.world.time >= self._look_again_at:
            self._look_again_at = self.world.time + SECOND // 2
            self._hopeless(state)
            self._stuck(state)
        if state.seq == self._checked:
            return
        self._checked = state.seq
        self._pending(state)
        runs = {it.run: it.name for it in state.services.instances.values() if it.run}
        insist(runs == state.services.runs, "runs and instances agree", (runs, state.services.runs))
        still = [it for it in state.services.instances.values() if it.state == "paused" and it.wanted and not it.paused]
        insist(not still, "nothing stands still that somebody wants to go on", still)
        free = [
            it for it in state.services.instances.values() if it.pid and it.state == "running" and _unlimited(state, it)
        ]
        insist(not free, "what runs is limited as it is declared", free)
        unknown = self.world.living.keys() - runs.keys()
        insist(not unknown, "every living run is known", unknown)
        self._leases(state)
        self._reservations(state, controller.clock.now())
        self._deadlines(state)

    def _pending(self, state: State) -> None:
        """Everything decided is done; the outcome of a start may be told a moment later."""
        now = self.world.time
        self._pending_since = {seq: self._pending_since.get(seq, now) for seq in state.decisions.pending}
        for seq, since in self._pending_since.items():
            decision = state.decisions.pending[seq]
            soon = isinstance(decision, StartDecided) and now - since < SECOND
            insist(soon, "nothing is pending after a turn", (seq, decision, now - since))

    def _leases(self, state: State) -> None:
        taken = [it.port for it in state.leases.by_name.values() if it.state not in ("refused", "released")]
        taken += [*state.personal.taken(), *state.reservations.taken()]
        insist(len(taken) == len(set(taken)), "a port is never leased twice", (state.leases, state.personal))

    def _reservations(self, state: State, now: Micros) -> None:
        for it in state.reservations.by_lease.values():
            insist(now <= it.until + SECOND, "nothing is held ahead for longer than it was expected", it)

    def _deadlines(self, state: State) -> None:
        for key, deadline in state.deadlines.by_key.items():
            purpose, _, name = key.partition(":")
            instance = state.services.instances.get(name)
            if purpose in _FITTING:
                # A try of an instance that is one too many now comes to nothing.
                gone = purpose == "restart" and name.rpartition(".")[0] in state.services.declared
                fits = instance.state in _FITTING[purpose] if instance else gone
            else:
                fits = key in state.alerts.active or name in state.personal.by_name or key == PATTERN_REVIEW
            insist(fits, "no deadline outlives what it is for", (key, deadline, instance))

    def _hopeless(self, state: State) -> None:
        """Nothing runs on what was given up, or after it was not wanted, longer than the stops below it may take."""
        self._count_grace(state)
        now = self.world.time
        since = {}
        gone = _gone(state)
        for name, instance in state.services.instances.items():
            declared = state.services.declared.get(instance.service)
            if instance.run and declared and (not instance.wanted or _rests_on(gone, declared)):
                began = since[name] = self._hopeless_since.get(name, now)
                seconds = (now - began) / SECOND
                insist(
                    seconds <= self._grace[instance.service] + SLACK_SECONDS,
                    "nothing runs on a dead dependency longer than the policy says",
                    (instance, seconds),
                )
        self._hopeless_since = since  # fmt: skip

    def _stuck(self, state: State) -> None:
        """What waits for nothing but its start is started, and a port that can be had is had."""
        now, since = self.world.time, {}
        for name, instance in state.services.instances.items():
            if instance.state == "waiting" and not instance.delayed and not state.supervisor.going:
                waits = waits_for(state, instance)
                if waits in STUCK_SECONDS:
                    since[name] = self._stuck_since.get(name, now)
                    seconds = (now - since[name]) / SECOND
                    insist(seconds <= STUCK_SECONDS[waits], "nothing waits without a reason", (instance, waits))
        self._stuck_since = since

    def _count_grace(self, state: State) -> None:
        """How long each service may take to end when everything that needs it ends first."""
        if state.services.declared is self._declared and bool(state.supervisor.going) == self._going:
            return
        self._declared, self._going, self._grace = state.services.declared, bool(state.supervisor.going), {}
        for name in self._declared:
            self._grace_of(name)

    def _grace_of(self, name: str) -> float:
        if name not in self._grace:
            above = [other for other, it in self._declared.items() if name in it.depends_on]
            if self._going and self._declared[name].category == "internal":
                above = [other for other, it in self._declared.items() if it.category != "internal"]
            own = self._declared[name].stop_timeout_seconds + self._declared[name].gateway.drain_seconds + 0.5
            self._grace[name] = own + max((self._grace_of(other) for other in above), default=0.0)
        return self._grace[name]

    # -- at the end ------------------------------------------------------------------------------

    def all_up(self) -> None:
        """Everything that is wanted is there, now that nothing has gone wrong for a while."""
        insist(not self.state.supervisor.going, "the supervisor stays", self.state.supervisor)
        for name, instance in self.state.services.instances.items():
            if instance.wanted:
                well = instance.state == "completed" or (
                    instance.state == "running" and self.state.health.status(name) in ("healthy", "unknown")
                )
                insist(well, "everything wanted is up once the faults stop", instance)
            else:
                insist(not instance.run, "what is not wanted does not run", instance)
        # Breaking callers is told for a day; what was refused to a run, or not given back by it, ends with the run.
        lasting = ("api_broken:", "limits:", "memory:")
        left = {key: it for key, it in self.state.alerts.active.items() if not key.startswith(lasting)}
        insist(not left, "alerts end, but for those that last", left)

    def all_down(self) -> None:
        """The shutdown left nothing behind."""
        insist(not self.world.living, "a shutdown leaves nothing behind", self.world.living)
        insist(not self.world.held, "a shutdown leaves no port behind", self.world.held)
        insist(not self.state.services.runs, "a shutdown leaves no run behind", self.state.services.runs)


_FITTING = {"ready": ("starting",), "drain": ("running",), "kill": ("stopping",), "restart": ("waiting",)}


def _gone(state: State) -> set[str]:
    """The services all of whose instances were given up or are not wanted."""
    declared = state.services.declared
    down: dict[str, bool] = {}
    for it in state.services.instances.values():
        service = declared.get(it.service)
        given_up = it.state == "failed" and service is not None and service.restart.stop_dependents
        down[it.service] = down.get(it.service, True) and (given_up or not it.wanted)
    return {name for name, is_down in down.items() if is_down}


def _rests_on(gone: set[str], declared: Service) -> bool:
    return any(condition != "completed" and name in gone for name, condition in declared.depends_on.items())


def _unlimited(state: State, instance: Instance) -> bool:
    """Whether a run has other limits than those declared, or more memory than it may have and goes on with it."""
    declared = state.services.declared.get(instance.service)
    if declared is None or not instance.wanted:
        return False
    known, excess = state.resources.limited.get(instance.name), state.resources.excess.get(instance.name)
    limits = known.limits if known and known.run == instance.run else Limits()
    memory = declared.memory
    large = memory and excess and excess.run == instance.run and excess.memory_bytes > memory.max_bytes
    return limits != declared.limits or bool(large and memory and memory.then == "restart")

"""Given, when, then: a world whose every decision is carried out at once, unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import (
    CommandReceived,
    Condition,
    ConfigurationLoaded,
    DeadlineReached,
    Decision,
    Event,
    KillDecided,
    LeaseGranted,
    LogSlow,
    PauseDecided,
    PortChosen,
    PortHeld,
    PortPool,
    PortRequest,
    PortReserved,
    Probe,
    ProbeFailed,
    ProbePassed,
    Restart,
    ResumeDecided,
    RunExited,
    RunStarted,
    Service,
    SignalDecided,
    SignalSent,
    StartDecided,
    StopDecided,
    SupervisorStarted,
    Verb,
)
from events.envelope import Draft, Recorded
from nexus.policies.step import step
from projections.services import Instance
from projections.state import State

SECOND = 1_000_000
PID = 4711


def service(
    name: str,
    *ports: PortRequest,
    needs: dict[str, Condition] | None = None,
    probe: bool = False,
    restart: Restart = Restart(),  # noqa: B008 - frozen
    replicas: int = 1,
    task: bool = False,
    category: str = "",
    autostart: bool = True,
) -> Service:
    """A declared service; `probe` gives it one that asks its port."""
    return Service(
        name, (name,), depends_on=needs or {}, ports=ports, probe=Probe() if probe else None, restart=restart,
        replicas=replicas, task=task, category=category, autostart=autostart,
    )  # fmt: skip


def declared(*services: Service, pool: PortPool = PortPool()) -> ConfigurationLoaded:  # noqa: B008 - frozen
    """nexus.toml is read."""
    return ConfigurationLoaded(project="p", services={it.name: it for it in services}, pool=pool)


def asked(verb: Verb, *services: str) -> CommandReceived:
    """Somebody asks for something."""
    return CommandReceived(verb=verb, services=services)


class World:
    """A history that grows by turns.

    `ports_held`, `runs_begin` say whether what is decided succeeds at once; where not, the test says what comes of it.
    """

    def __init__(self, *services: Service, pool: PortPool = PortPool()) -> None:  # noqa: B008 - frozen
        self.state, self.history = State(), list[Recorded]()
        self.ports_held = self.runs_begin = True
        self.when(SupervisorStarted(pid=1), declared(*services, pool=pool))

    # -- when ------------------------------------------------------------------------------------

    def when(self, *events: Event, after_seconds: float = 0.01) -> list[Decision]:
        """What is decided when this happens, the outcomes of what is decided included."""
        return self._turn([Draft(event) for event in events], self.state.at + int(after_seconds * SECOND) + 1)

    def later(self, seconds: float) -> list[Decision]:
        """What is decided after a while, when something happens that concerns nobody."""
        return self.when(LogSlow(append_seconds=1.0, limit_seconds=0.5), after_seconds=seconds)

    def _turn(self, drafts: list[Draft], at: int) -> list[Decision]:
        self.state, turn = step(self.state, drafts, at)
        self.history += turn
        decided = [it.event for it in turn if isinstance(it.event, Decision)]
        outcomes = [outcome for it in turn for outcome in self._outcomes(it)]
        return decided + (self._turn(outcomes, at + 1) if outcomes else [])

    def _outcomes(self, it: Recorded) -> Iterator[Draft]:
        match it.event:
            case PortChosen() | LeaseGranted() | PortReserved() if self.ports_held:
                yield Draft(PortHeld(lease=it.event.lease, port=it.event.port), it.seq)
            case StartDecided() if self.runs_begin:
                yield Draft(RunStarted(instance=it.event.instance, run=it.seq, pid=PID), it.seq)
            case StopDecided():
                yield Draft(
                    SignalSent(instance=it.event.instance, run=it.event.run, signal=it.event.signal, reached=1), it.seq
                )
            case SignalDecided(signal=signal):
                yield Draft(
                    SignalSent(instance=it.event.instance, run=it.event.run, signal=signal, reached=1), it.seq
                )  # fmt: skip
            case PauseDecided() | ResumeDecided():
                signal = "STOP" if isinstance(it.event, PauseDecided) else "CONT"
                yield Draft(
                    SignalSent(instance=it.event.instance, run=it.event.run, signal=signal, reached=1), it.seq
                )  # fmt: skip
            case KillDecided():
                yield Draft(SignalSent(instance=it.event.instance, run=it.event.run, signal="KILL", reached=1), it.seq)

    def due(self, key: str) -> list[Decision]:
        """What is decided when a deadline comes: `restart:web.1`, `lease:NAME`."""
        deadline = self.state.deadlines.by_key[key]
        at = max(deadline.due, self.state.at + 1)
        return self._turn([Draft(DeadlineReached(key=key, due=deadline.due), deadline.decision)], at)

    def exits(self, name: str, code: int | None = 1, signal: str | None = None) -> list[Decision]:
        """The present run of an instance ends by itself."""
        return self.when(RunExited(instance=name, run=self.instance(name).run, exit_code=code, signal=signal))

    def passes(self, name: str, after_seconds: float = 0.01) -> list[Decision]:
        """The present run of an instance answers well."""
        return self.when(ProbePassed(instance=name, run=self.instance(name).run), after_seconds=after_seconds)

    def fails(self, name: str, failures: int = 3) -> list[Decision]:
        """The present run of an instance does not answer, for the how-many-eth time in a row."""
        failed = ProbeFailed(instance=name, run=self.instance(name).run, failures=failures, detail="no answer")
        return self.when(failed)

    # -- then ------------------------------------------------------------------------------------

    def instance(self, name: str) -> Instance:
        """What is known of an instance."""
        return self.state.services.instances[name]

    def states(self) -> dict[str, str]:
        """The state of every instance."""
        return {name: instance.state for name, instance in self.state.services.instances.items()}

    def cause(self, decision: Decision) -> Event:
        """What a decision names as its cause."""
        recorded = next(it for it in self.history if it.event is decision)
        assert recorded.cause is not None
        return self.history[recorded.cause - 1].event


def given_up(world: World, name: str) -> list[Decision]:
    """Let an instance fail until it is given up; what is decided at the end."""
    decided: list[Decision] = []
    while world.instance(name).state == "running":
        decided = world.exits(name)
        if f"restart:{name}" in world.state.deadlines.by_key:
            decided = world.due(f"restart:{name}")
    return decided


def rules(decided: list[Decision]) -> list[str]:
    """By which rules this was decided, in order."""
    return [it.rule for it in decided]

"""What must hold for a whole history, judged without the projections and policies that made it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from events.catalog import (
    CommandReceived,
    ConfigurationLoaded,
    Decision,
    DrainDecided,
    Event,
    KillDecided,
    LogOpened,
    PauseDecided,
    PortRefused,
    ProbeFailed,
    ProbePassed,
    RestartScheduled,
    ResumeDecided,
    RunAbandoned,
    RunAdopted,
    RunDrained,
    RunExited,
    RunRefused,
    RunStarted,
    Service,
    ServiceGivenUp,
    StartDecided,
    StopDecided,
)
from events.envelope import Micros, Position, Recorded
from nexus.policies.check import check
from nexus.policies.step import POLICIES, Policy
from projections.dependencies import with_needs
from projections.state import State, decode, encode, evolve_all
from tests.simulation.witness import BrokenInvariantError, insist

NEVER: Micros = 1 << 62


def last_good(it: Recorded) -> Position:
    """Up to which event a history counts again, where a damaged log was put aside; 0 for any other event."""
    if isinstance(it.event, LogOpened) and it.event.reason == "damaged":
        return decode(bytes(it.event.state)).seq
    return 0


class Story(msgspec.Struct):
    """What happened to one instance so far."""

    run: Position = 0
    well_since: Micros = 0
    failures: int = 0
    not_before: Micros = 0
    stopping: StopDecided | None = None
    drain_until: Micros = 0
    wanted: bool = False
    paused: bool = False


class Auditor:
    """Reads a history once, from the first event to the last."""

    def __init__(self) -> None:
        self.declared: dict[str, Service] = {}
        self.scaled: dict[str, int] = {}
        self.new: list[str] = []
        self.stories: dict[str, Story] = {}
        self.begun: set[Position] = set()
        self.open: set[Position] = set()
        self.acknowledged: dict[str, Position] = {}

    def judge(self, history: Sequence[Recorded]) -> None:
        """Raise BrokenInvariantError at the first event that should not be there."""
        expected = 1
        last: Micros = 0
        returns = {it.seq: seq for it in history if (seq := last_good(it))}
        good = set(returns.values())
        kept: dict[Position, tuple[dict[str, Service], dict[str, Story], set[Position], dict[str, int], list[str]]] = {}
        for it in history:
            insist(it.seq == expected, "positions have no gap", it)
            insist(it.at >= last, "time never goes back", it)
            expected, last = it.seq + 1, it.at
            if it.seq in returns:
                # What came after the last good event is forgotten; it happened all the same.
                self.declared, self.stories, self.open, self.scaled, self.new = copy.deepcopy(kept[returns[it.seq]])
            if isinstance(it.event, Decision):
                self._explained(it, it.event)
            handler = HANDLERS.get(type(it.event))
            if handler:
                handler(self, it, it.event)
            if it.seq in good:
                kept[it.seq] = copy.deepcopy((self.declared, self.stories, self.open, self.scaled, self.new))
        insist(not self.open, "every start has an outcome", self.open)

    def _explained(self, it: Recorded, event: Decision) -> None:
        insist(event.rule, "every decision names its rule", it)
        insist(it.cause is not None and 0 < it.cause < it.seq, "every decision has an earlier cause", it)
        insist(it.basis is not None and (it.cause or 0) <= it.basis < it.seq, "every decision names its basis", it)
        insist(event.values, "every decision names the values it used", it)
        insist(all(one.reason for one in event.rejected), "every rejected option says why", it)

    def _story(self, name: str) -> Story:
        return self.stories.setdefault(name, Story())

    def loaded(self, it: Recorded, event: ConfigurationLoaded) -> None:
        """What is declared from now on; what is no longer declared is no longer wanted."""
        self.new = [name for name, service in event.services.items() if name not in self.declared and service.autostart]
        for name, service in self.declared.items():
            now = event.services.get(name)
            if now is None or now.replicas != service.replicas:
                self.scaled.pop(name, None)
        self.declared = event.services
        self._follow(event.services)

    def _follow(self, services: Iterable[str]) -> None:
        """Of a service that is wanted, all its instances are, and no others."""
        names = {name for service in self.declared for name in self._instances(service)}
        for service in services:
            if any(story.wanted for name, story in self.stories.items() if name.rpartition(".")[0] == service):
                for name in self._instances(service):
                    self._story(name).wanted = True
        for name, story in self.stories.items():
            if name not in names:
                story.wanted = False

    def _instances(self, service: str) -> list[str]:
        count = self.scaled.get(service, self.declared[service].replicas)
        return [f"{service}.{number}" for number in range(1, count + 1)]

    def asked(self, it: Recorded, event: CommandReceived) -> None:
        """A wish forgets failures and ends waiting."""
        insist(event.command_id not in self.acknowledged, "a command is received once", it)
        self.acknowledged[event.command_id] = it.seq
        if event.verb == "scale" and event.services[0] in self.declared:
            count = event.arguments["instances"]
            assert isinstance(count, int)
            self.scaled[event.services[0]] = count
            self._follow(event.services)
        if event.verb in ("detach", "pause", "resume", "scale", "signal"):
            return
        for name in self._named(event):
            for instance in self._instances(name):
                story = self._story(instance)
                if not event.arguments.get("rolling"):
                    story.wanted = event.verb not in ("down", "stop")
                elif not story.run:
                    continue
                story.failures, story.not_before = 0, 0

    def _named(self, event: CommandReceived) -> set[str]:
        if event.verb == "reload":
            return with_needs(self.declared, self.new) if event.arguments["changed"] else set()
        if event.verb == "down":
            return set(self.declared)
        if event.verb in ("up", "start"):
            auto = [name for name, service in self.declared.items() if service.autostart]
            return with_needs(self.declared, event.services or auto)
        return set(event.services) & self.declared.keys()

    def start_decided(self, it: Recorded, event: StartDecided) -> None:
        """A start comes when it may: not beside another run, and not sooner than the ladder says."""
        story = self._story(event.instance)
        insist(not story.run, "no start is decided while a run lives", it)
        insist(story.wanted, "nothing is started that nobody wants", it)
        insist(story.not_before != NEVER, "what was given up stays down until somebody starts it", it)
        insist(it.at >= story.not_before, "no restart is earlier than the ladder", (it, story))
        self.stories[event.instance] = Story(it.seq, failures=story.failures, wanted=True)
        self.open.add(it.seq)

    def started(self, it: Recorded, event: RunStarted) -> None:
        """Each run begins once."""
        insist(event.run not in self.begun, "a run begins once", it)
        self.begun.add(event.run)
        self.open.discard(event.run)
        service = self.declared.get(event.service)
        if service is None or service.probe is None:
            self._story(event.instance).well_since = it.at

    def adopted(self, it: Recorded, event: RunAdopted) -> None:
        """A run is alive; one that was lost with a damaged log is the present one."""
        self.open.discard(event.run)
        self._story(event.instance).run = event.run

    def passed(self, it: Recorded, event: ProbePassed) -> None:
        """A good answer begins a time of health, unless it comes too late."""
        story = self._story(event.instance)
        if story.run == event.run and not story.well_since and story.stopping is None:
            story.well_since = it.at

    def unwell(self, it: Recorded, event: ProbeFailed) -> None:
        """A bad answer ends a time of health."""
        story = self._story(event.instance)
        if story.run == event.run:
            self._stayed(it, story, event.service)
            story.well_since = 0

    def _stayed(self, it: Recorded, story: Story, name: str) -> None:
        """Failures are forgotten after a time of health that was long enough."""
        service = self.declared.get(name)
        if story.well_since and service and it.at - story.well_since >= service.restart.reset_after_seconds * 1e6:
            story.failures = 0

    def stop_decided(self, it: Recorded, event: StopDecided) -> None:
        """A stop is for the present run."""
        story = self._story(event.instance)
        insist(story.run == event.run, "a stop is for the run that lives", it)
        insist(story.paused == event.paused, "what stands still is let go on when it is to end", it)
        insist(not (story.paused and event.failure), "what stands still is not ended for its health", it)
        if event.values.get("why") == "its turn in a rolling restart":
            others = [it for name, it in self.stories.items() if name.rpartition(".")[0] == event.service]
            turns = [it for it in others if it.stopping and it.stopping.values.get("why") == event.values["why"]]
            insist(not turns, "a rolling restart replaces one instance at a time", it)
        in_time = event.failure or not story.drain_until or it.at >= story.drain_until
        insist(in_time, "who is with a run that is drained has time to finish", (it, story))
        story.stopping = event

    def drain_decided(self, it: Recorded, event: DrainDecided) -> None:
        """A run is drained once, and is given the time that is declared."""
        story = self._story(event.instance)
        insist(story.run == event.run and not story.drain_until, "a run is drained once", it)
        story.drain_until = event.until

    def drained(self, it: Recorded, event: RunDrained) -> None:
        """Nobody is there any more."""
        story = self._story(event.instance)
        if story.run == event.run and story.drain_until:
            story.drain_until = it.at

    def pause_decided(self, it: Recorded, event: PauseDecided | ResumeDecided) -> None:
        """What runs is paused, what is paused goes on."""
        story = self._story(event.instance)
        pauses = isinstance(event, PauseDecided)
        insist(story.run == event.run, "a pause is for the run that lives", it)
        insist(story.paused != pauses and story.stopping is None, "a pause begins once and ends once", it)
        story.paused = pauses

    def kill_decided(self, it: Recorded, event: KillDecided) -> None:
        """Force comes only after the grace that was granted."""
        stopping = self._story(event.instance).stopping
        insist(stopping and it.at >= stopping.kill_at, "nothing is killed before its grace is over", it)

    def ended(self, it: Recorded, event: RunExited | RunRefused | RunAbandoned) -> None:
        """The end of a run, and whether it counts as a failure."""
        self.open.discard(event.run)
        story = self._story(event.instance)
        if story.run != event.run:
            return
        failed = self._failed(event, story)
        service = self.declared.get(event.service)
        self._stayed(it, story, event.service)
        story.run, story.stopping, story.well_since, story.paused = 0, None, 0, False
        story.drain_until = 0
        if failed and service and story.wanted:
            self._fails(it, story, service)

    def _failed(self, event: RunExited | RunRefused | RunAbandoned, story: Story) -> bool:
        service = self.declared.get(event.service)
        if isinstance(event, RunAbandoned) or service is None:
            return False
        if isinstance(event, RunRefused):
            return event.port is None or event.port in {request.fixed for request in service.ports}
        if story.stopping is not None:
            return bool(story.stopping.failure)
        return not (event.exit_code == 0 and (service.task or service.restart.when != "always"))

    def _fails(self, it: Recorded, story: Story, service: Service) -> None:
        restart = service.restart
        story.failures += 1
        over = restart.when == "never" or story.failures > restart.tries
        story.not_before = NEVER if over else it.at + int(restart.delay_seconds(story.failures) * 1e6)

    def port_refused(self, it: Recorded, event: PortRefused) -> None:
        """A port that a service insists on and cannot have is a failure."""
        name = event.lease.partition("/")[0]
        story, service = self._story(name), self.declared.get(name.rpartition(".")[0])
        if service and story.wanted and not story.run and event.port in {it.fixed for it in service.ports}:
            self._fails(it, story, service)

    def scheduled(self, it: Recorded, event: RestartScheduled) -> None:
        """The ladder waits as long as it is declared to; after a damaged log it may begin to wait later."""
        story, service = self._story(event.instance), self.declared[event.service]
        if event.rule == "restart.ladder":
            delay_seconds = service.restart.delay_seconds(story.failures)
            as_declared = event.due == it.at + int(delay_seconds * 1e6) and event.due >= story.not_before
            insist(as_declared, "the ladder waits as declared", (it, story))
            story.not_before = event.due

    def given_up(self, it: Recorded, event: ServiceGivenUp) -> None:
        """Only what failed too often is given up."""
        insist(self._story(event.instance).not_before == NEVER, "nothing is given up early", it)


def _handlers() -> dict[type[Event], Callable[..., None]]:
    of = Auditor
    return {
        ConfigurationLoaded: of.loaded, CommandReceived: of.asked, RestartScheduled: of.scheduled,
        StartDecided: of.start_decided, StopDecided: of.stop_decided,
        DrainDecided: of.drain_decided, RunDrained: of.drained, KillDecided: of.kill_decided,
        ServiceGivenUp: of.given_up, RunStarted: of.started, RunAdopted: of.adopted, RunExited: of.ended,
        RunRefused: of.ended, RunAbandoned: of.ended, ProbePassed: of.passed, ProbeFailed: of.unwell,
        PortRefused: of.port_refused, PauseDecided: of.pause_decided, ResumeDecided: of.pause_decided,
    }  # fmt: skip


HANDLERS = _handlers()


def audit(history: Sequence[Recorded], live: State, policies: Sequence[Policy] = POLICIES) -> None:
    """Judge a history: its story, that folding it again gives `live`, and that replay decides the same."""
    Auditor().judge(history)
    again = evolve_all(State(), history)
    insist(again == live, "a refold equals the live state", _differences(again, live))
    insist(decode(encode(live)) == live, "a snapshot holds the state", live.seq)
    for difference in check(history, policies):
        raise BrokenInvariantError(f"replay gives the same decisions: {difference}")


def _differences(one: State, other: State) -> Iterator[str]:
    return (name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name))

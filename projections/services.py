"""Services and their instances: what is wanted of each, and what its present run is doing."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from events.catalog import (
    DeadlineReached,
    DrainDecided,
    KillDecided,
    PauseDecided,
    PortRefused,
    ProbeFailed,
    ProbePassed,
    RestartScheduled,
    ResumeDecided,
    RollingRestartEnded,
    RollingRestartStepped,
    RunAbandoned,
    RunAdopted,
    RunDrained,
    RunExited,
    RunRefused,
    RunStarted,
    Service,
    ServiceGivenUp,
    SignalDecided,
    StartDecided,
    StopDecided,
)
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold

replace = msgspec.structs.replace
InstanceState = Literal[
    "declared", "waiting", "starting", "running", "paused", "stopping", "stopped", "completed", "failed"
]
FAILURES_KEPT = 5


class Instance(msgspec.Struct, frozen=True, omit_defaults=True):
    """One replica of a service.

    `run` is the present run, 0 without one. `failures` in a row count up to the last time that it stayed well, and
    `answered` of them have been answered by a decision; `delayed` says that the next try is still to wait. `well_since`
    is when its good answers began, 0 while they are not good. `bounce` says why the present run is to be replaced,
    `draining` is the decision to lead nobody to it any more, `stopped_by` the last one to end it. `changed` is the last
    event that may call for a decision: whatever is decided next was caused by it. `problem` says in words what went
    wrong last. `paused` is a wish about the present run.
    """

    name: str
    service: str
    state: InstanceState = "declared"
    wanted: bool = False
    paused: bool = False
    signal: str = ""
    rolling: bool = False
    run: Position = 0
    pid: int = 0
    started_at: Micros = 0
    ready_at: Micros = 0
    well_since: Micros = 0
    since: Micros = 0
    failures: int = 0
    answered: int = 0
    delayed: bool = False
    restarts: int = 0
    bounce: str = ""
    killed: bool = False
    draining: Position = 0
    drained: bool = False
    stopped_by: Position = 0
    stop_failure: str = ""
    problem: str = ""
    failed_at: tuple[Micros, ...] = ()
    ports: dict[str, int] = {}
    changed: Position = 0

    @property
    def number(self) -> int:
        """Which replica it is, 1 for the first."""
        return int(self.name.rpartition(".")[2])


class Rollout(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rolling restart of a service: the instances whose turn came, and how it ended."""

    asked: Position
    stepped: tuple[str, ...] = ()
    over: bool = False
    problem: str = ""


class Services(msgspec.Struct, frozen=True):
    """Everything declared, every instance, and which instance each live run belongs to.

    `scaled` has the services of which another number of instances was asked for, `new` are those that were not declared
    before the last configuration.
    """

    declared: dict[str, Service] = {}
    instances: dict[str, Instance] = {}
    runs: dict[Position, str] = {}
    scaled: dict[str, int] = {}
    profiles: tuple[str, ...] = ()
    rollouts: dict[str, Rollout] = {}
    new: tuple[str, ...] = ()


fold: Fold[Services] = Fold()


def changed(services: Services, name: str, **changes: Any) -> Services:
    """The same services, with one instance changed."""
    return replace(services, instances={**services.instances, name: replace(services.instances[name], **changes)})


# -- a run begins --------------------------------------------------------------------------------


@fold.on(StartDecided)
def _starting(services: Services, it: Recorded, event: StartDecided) -> Services:
    was = services.instances[event.instance]
    services = changed(
        services, event.instance, state="starting", since=it.at, run=it.seq, pid=0, started_at=it.at, ready_at=0,
        well_since=0, bounce="", delayed=False, killed=False, draining=0, drained=False, stopped_by=0,
        stop_failure="", ports=event.ports, paused=False, signal="", rolling=False, changed=it.seq,
        restarts=was.restarts + (event.attempt > 0), answered=was.failures,
    )  # fmt: skip
    return replace(services, runs={**services.runs, it.seq: event.instance})


@fold.on(RunStarted)
def _started(services: Services, it: Recorded, event: RunStarted) -> Services:
    instance = services.instances.get(event.instance)
    if instance is None or instance.run != event.run:
        return services
    changes: dict[str, Any] = {"pid": event.pid, "changed": it.seq}
    declared = services.declared.get(event.service)
    if instance.state == "starting" and (declared is None or declared.probe is None):
        changes |= {"state": "running", "since": it.at, "ready_at": it.at, "well_since": it.at}
    return changed(services, event.instance, **changes)


@fold.on(RunAdopted)
def _adopted(services: Services, it: Recorded, event: RunAdopted) -> Services:
    if event.run not in services.runs:
        return _found(services, it, event)
    if services.instances[event.instance].pid == 0:
        return _started(services, it, RunStarted(instance=event.instance, run=event.run, pid=event.pid))
    return changed(services, event.instance, pid=event.pid, changed=it.seq)


def _found(services: Services, it: Recorded, event: RunAdopted) -> Services:
    """A run whose decision was lost with a damaged log is the present one, and is replaced by one that is explained."""
    was = services.instances.get(event.instance) or Instance(event.instance, event.service)
    runs = {run: name for run, name in services.runs.items() if name != event.instance}
    instance = replace(
        was, state="running", since=it.at, run=event.run, pid=event.pid, started_at=it.at, ready_at=0, well_since=0,
        bounce="its decision was lost with a damaged log", delayed=False, killed=False, draining=0, drained=False,
        stopped_by=0, stop_failure="", ports={}, changed=it.seq,
    )  # fmt: skip
    return _with(replace(services, runs={**runs, event.run: event.instance}), instance)


@fold.on(ProbePassed)
def _ready(services: Services, it: Recorded, event: ProbePassed) -> Services:
    if services.runs.get(event.run) != event.instance:
        return services
    instance = services.instances[event.instance]
    if instance.state in ("starting", "running"):
        instance = replace(instance, well_since=instance.well_since or it.at)
    if instance.state == "starting":
        instance = replace(instance, state="running", since=it.at, ready_at=it.at, problem="")
    return _with(services, replace(instance, changed=it.seq))


@fold.on(ProbeFailed)
def _unwell(services: Services, it: Recorded, event: ProbeFailed) -> Services:
    instance = services.instances.get(event.instance)
    if instance is None or instance.run != event.run or not instance.well_since:
        return services
    return _with(services, replace(_forgiven(services, it, instance), well_since=0))


def _forgiven(services: Services, it: Recorded, instance: Instance) -> Instance:
    """Its failures are forgotten once it has stayed well for long enough."""
    declared = services.declared.get(instance.service)
    if declared is None or not instance.well_since:
        return instance
    stayed = it.at - instance.well_since >= declared.restart.reset_after_seconds * 1_000_000
    return replace(instance, failures=0, answered=0) if stayed else instance


@fold.on(PauseDecided)
def _paused(services: Services, it: Recorded, event: PauseDecided) -> Services:
    return changed(services, event.instance, state="paused", since=it.at, changed=it.seq)


@fold.on(ResumeDecided)
def _resumed(services: Services, it: Recorded, event: ResumeDecided) -> Services:
    return changed(services, event.instance, state="running", since=it.at, changed=it.seq)


@fold.on(SignalDecided)
def _signalled(services: Services, it: Recorded, event: SignalDecided) -> Services:
    return changed(services, event.instance, signal="", changed=it.seq)


@fold.on(RollingRestartStepped)
def _stepped(services: Services, it: Recorded, event: RollingRestartStepped) -> Services:
    services = changed(
        services, event.instance, rolling=False, bounce="its turn in a rolling restart", changed=it.seq
    )  # fmt: skip
    rollout = services.rollouts[event.service]
    rollout = replace(rollout, stepped=(*rollout.stepped, event.instance))
    return replace(services, rollouts={**services.rollouts, event.service: rollout})


@fold.on(RollingRestartEnded)
def _rolled(services: Services, _: Recorded, event: RollingRestartEnded) -> Services:
    rollout = replace(services.rollouts[event.service], over=True, problem=event.problem)
    instances = {
        name: replace(it, rolling=False) if it.service == event.service and it.rolling else it
        for name, it in services.instances.items()
    }
    return replace(services, instances=instances, rollouts={**services.rollouts, event.service: rollout})


# -- a run ends ----------------------------------------------------------------------------------


@fold.on(DrainDecided)
def _draining(services: Services, it: Recorded, event: DrainDecided) -> Services:
    return changed(services, event.instance, draining=it.seq, drained=False, changed=it.seq)


@fold.on(RunDrained)
def _drained(services: Services, it: Recorded, event: RunDrained) -> Services:
    if services.runs.get(event.run) != event.instance or not services.instances[event.instance].draining:
        return services
    return changed(services, event.instance, drained=True, changed=it.seq)


@fold.on(StopDecided)
def _stopping(services: Services, it: Recorded, event: StopDecided) -> Services:
    return changed(
        services, event.instance, state="stopping", since=it.at, stop_failure=event.failure,
        stopped_by=it.seq, changed=it.seq,
    )  # fmt: skip


@fold.on(KillDecided)
def _killed(services: Services, it: Recorded, event: KillDecided) -> Services:
    return changed(services, event.instance, killed=True, stopped_by=it.seq, changed=it.seq)


@fold.on(RunExited)
def _exited(services: Services, it: Recorded, event: RunExited) -> Services:
    if services.runs.get(event.run) != event.instance:
        return services
    instance = services.instances[event.instance]
    declared = services.declared.get(event.service)
    if instance.state == "stopping":
        return _ended(services, it, event.instance, failure=instance.stop_failure)
    done = declared is not None and (declared.task or declared.restart.when != "always")
    if done and event.exit_code == 0:
        return _ended(services, it, event.instance, completed=True)
    return _ended(services, it, event.instance, failure=how_it_ended(event))


def how_it_ended(event: RunExited) -> str:
    """The end of a run in words: `was ended by signal KILL`."""
    if event.signal:
        return f"was ended by signal {event.signal}"
    if event.exit_code is not None:
        return f"exited with code {event.exit_code}"
    return "ended, and nobody saw how"


@fold.on(RunRefused)
def _refused(services: Services, it: Recorded, event: RunRefused) -> Services:
    if services.runs.get(event.run) != event.instance:
        return services
    elsewhere = event.port is not None and event.port not in _fixed_ports(services, event.service)
    return _ended(services, it, event.instance, failure="" if elsewhere else f"could not be started: {event.error}")


def _fixed_ports(services: Services, name: str) -> set[int]:
    declared = services.declared.get(name)
    return {request.fixed for request in declared.ports if request.fixed} if declared else set()


@fold.on(RunAbandoned)
def _abandoned(services: Services, it: Recorded, event: RunAbandoned) -> Services:
    if services.runs.get(event.run) != event.instance:
        return services
    return _ended(services, it, event.instance)


@fold.on(PortRefused)
def _port_refused(services: Services, it: Recorded, event: PortRefused) -> Services:
    name = event.lease.partition("/")[0]
    instance = services.instances.get(name)
    if instance is None or instance.state != "waiting" or event.port not in _fixed_ports(services, instance.service):
        return services
    return _failed(services, it, instance, f"could not have port {event.port}: {event.reason}")


def _ended(services: Services, it: Recorded, name: str, failure: str = "", completed: bool = False) -> Services:
    was = services.instances[name]
    services = replace(services, runs={run: of for run, of in services.runs.items() if run != was.run})
    if name not in declared_names(services, was.service):
        return replace(services, instances={n: i for n, i in services.instances.items() if n != name})
    instance = replace(
        _forgiven(services, it, was), run=0, pid=0, ports={}, well_since=0, bounce="", changed=it.seq, since=it.at
    )  # fmt: skip
    if completed or not was.wanted:
        instance = replace(instance, failures=0, answered=0)
    if not was.wanted:
        return _with(services, replace(instance, state="stopped"))
    if completed:
        return _with(services, replace(instance, state="completed", problem=""))
    return _failed(services, it, instance, failure) if failure else _with(services, replace(instance, state="waiting"))


def _failed(services: Services, it: Recorded, instance: Instance, problem: str) -> Services:
    return _with(services, replace(
        instance, state="waiting", since=it.at, failures=instance.failures + 1, problem=problem, changed=it.seq,
        failed_at=(*instance.failed_at, it.at)[-FAILURES_KEPT:],
    ))  # fmt: skip


def _with(services: Services, instance: Instance) -> Services:
    return replace(services, instances={**services.instances, instance.name: instance})


def declared_names(services: Services, service: str) -> tuple[str, ...]:
    """The instances that a service is to have, none where it is not declared."""
    return names_of(service, count_of(services, service)) if service in services.declared else ()


def count_of(services: Services, service: str) -> int:
    """How many instances a declared service is to have: as many as were asked for, else as the file says."""
    return services.scaled.get(service, services.declared[service].replicas)


def names_of(service: str, count: int) -> tuple[str, ...]:
    """The names of its instances: `web.1`, `web.2`."""
    return tuple(f"{service}.{number}" for number in range(1, count + 1))


@fold.on(RestartScheduled)
def _scheduled(services: Services, it: Recorded, event: RestartScheduled) -> Services:
    failures = services.instances[event.instance].failures
    return changed(services, event.instance, answered=failures, delayed=True, changed=it.seq)


@fold.on(ServiceGivenUp)
def _given_up(services: Services, it: Recorded, event: ServiceGivenUp) -> Services:
    return changed(services, event.instance, state="failed", since=it.at, answered=event.failures, changed=it.seq)


@fold.on(DeadlineReached)
def _due(services: Services, it: Recorded, event: DeadlineReached) -> Services:
    purpose, _, name = event.key.partition(":")
    if name not in services.instances:
        return services
    return changed(services, name, changed=it.seq, **({"delayed": False} if purpose == "restart" else {}))

"""The history in plain words: a sentence for each event and each rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from events.catalog import (
    AlertRaised,
    AlertResolved,
    ClockStepped,
    CommandReceived,
    ConfigurationLoaded,
    ConfigurationRefused,
    DeadlineReached,
    DocumentQuarantined,
    DrainDecided,
    EndpointsDiscovered,
    Event,
    InstanceDecision,
    InstanceEvent,
    KillDecided,
    LeaseEnded,
    LeaseGranted,
    LeaseReviewScheduled,
    LimitsApplied,
    LimitsDecided,
    LogDamaged,
    LogFull,
    LogOpened,
    LogSlow,
    MemoryExceeded,
    MemoryRecovered,
    PatternReviewScheduled,
    PauseDecided,
    PortChosen,
    PortClosed,
    PortHeld,
    PortOpened,
    PortRefused,
    PortReleased,
    PortReserved,
    ProbeFailed,
    ProbePassed,
    ReservationEnded,
    ResourcesMeasured,
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
    SamplesDropped,
    SamplesRetired,
    SamplesSealed,
    ScaleDecided,
    ServiceGivenUp,
    ShutdownCompleted,
    SignalDecided,
    SignalSent,
    StartDecided,
    StopDecided,
    SupervisorStarted,
    SupervisorStopped,
    TrafficObserved,
    Value,
)
from projections.conditions import INTERNAL
from projections.endpoints import IN_WORDS
from projections.services import how_it_ended

PURPOSES = {
    "ready": "the time that {} had to get ready is over",
    "drain": "the time that requests under way to {} had to end is over",
    "kill": "the time that {} had to stop is over",
    "restart": "the wait before the next try of {} is over",
    "review": "it is time to look at the {} again",
}


def subject(event: Event) -> str:
    """What an event is about: an instance, a service, a port, or Nexus itself."""
    if isinstance(event, InstanceEvent | InstanceDecision):
        return event.instance
    if isinstance(event, DeadlineReached):
        return event.key.partition(":")[2]
    kind, _, name = event.stream.partition("/")
    return f"port {name}" if kind == "port" else name or kind


def sentence(event: Event) -> str:
    """What happened, in plain words."""
    return SENTENCES[type(event)](event)


# -- sentences -----------------------------------------------------------------------------------


def number_of(count: int, one: str, many: str = "") -> str:
    """`1 service`, `3 services`, `2 processes`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def joined(parts: Iterable[str], separator: str = ", ") -> str:
    """The parts that say something, in a row."""
    return separator.join(part for part in parts if part)


def _opened(event: LogOpened) -> str:
    if event.reason == "created":
        return "the log was begun"
    if event.reason == "bundled":
        return f"the bundle was begun after event {event.previous_seq}, with everything that was known then"
    why = "the last one was full" if event.reason == "rotated" else "the last one was damaged"
    return f"a new log file was begun after event {event.previous_seq}: {why}"


def _loaded(event: ConfigurationLoaded) -> str:
    names = [name for name, service in event.services.items() if service.category != INTERNAL]
    source = event.path or "the configuration"
    return f"{source} declares {number_of(len(names), 'service')}: {', '.join(names) or 'none'}"


VERBS = {
    "up": "{} to run",
    "down": "everything to stop",
    "detach": "the supervisor to go and leave the services running",
    "start": "{} to start",
    "stop": "{} to stop",
    "restart": "{} to restart",
    "pause": "{} to stand still",
    "resume": "{} to go on",
    "signal": "signal {signal} to {}",
    "scale": "{} to have {instances} instances",
    "reload": "a changed nexus.toml to be applied",
    "lease": "the lease {lease}",
    "release": "the lease {lease} to end",
    "mark": "events {first} to {last} to be marked as {incident}",
    "unmark": "the mark {incident} to go",
}


def _asked(event: CommandReceived) -> str:
    names = " and ".join(event.services) or "every service"
    words = {"signal": "", "instances": "", "lease": "", "incident": "", "first": "", "last": "", **event.arguments}
    return "somebody asked for " + VERBS[event.verb].format(names, **words)


def _due(event: DeadlineReached) -> str:
    purpose, _, instance = event.key.partition(":")
    return PURPOSES.get(purpose, f"the deadline {purpose!r} of {{}} was reached").format(instance)


def _stopped(event: SupervisorStopped) -> str:
    left = ", ".join(event.services_left_running)
    return f"the supervisor (pid {event.pid}) ended" + (f" and left {left} running" if left else "")


def _refused(event: RunRefused) -> str:
    return f"{event.instance} could not be started: {event.error}" + (f"; {event.advice}" if event.advice else "")


def _exited(event: RunExited) -> str:
    return f"{event.instance} {how_it_ended(event)}" + (f" ({event.detail})" if event.detail else "")


def _signalled(event: SignalSent) -> str:
    return f"signal {event.signal} reached {number_of(event.reached, 'process', 'processes')} of {event.instance}"


def _probed(event: ProbeFailed) -> str:
    return (
        f"{event.instance} did not answer well ({event.failures} in a row, unhealthy at {event.limit}): {event.detail}"
    )


def _start(event: StartDecided) -> str:
    ports = joined(f"port {port}" if name == "main" else f"port {port} ({name})" for name, port in event.ports.items())
    again = f" again, try {event.attempt}{_of(event.values.get('tries'))}" if event.attempt else ""
    return f"start {event.instance}{f' on {ports}' if ports else ''}{again}"


def _of(tries: Value) -> str:
    return f" of {tries}" if tries else ""


def _stop(event: StopDecided) -> str:
    why = f": it {event.failure}" if event.failure else ""
    return f"stop {event.instance} with signal {event.signal}{why}"


def _schedule(event: RestartScheduled) -> str:
    delay = event.values.get("delay_seconds")
    wait = f" in {delay:g} s" if isinstance(delay, int | float) else ""
    problem = event.values.get("problem")
    why = f": it {problem}" if problem else ""
    count = f", try {event.attempt}{_of(event.values.get('tries'))}" if event.attempt else ""
    return f"try {event.instance} again{wait}{count}{why}"


def _port_refused(event: PortRefused) -> str:
    return f"port {event.port} could not be held for {event.lease}: {event.reason}"


def _lease_ended(event: LeaseEnded) -> str:
    if not event.port:
        return f"refuse the lease {event.lease}: no port is free"
    free_for = f", free for {event.values['free for']}" if "free for" in event.values else ""
    return f"end the lease {event.lease}: let port {event.port} go{free_for}"


def _port_opened(event: PortOpened) -> str:
    place = f"{event.protocol} port {event.port}"
    if event.brief:
        return f"{place} was open on {event.address} for a moment, and gone before anybody could see whose it was"
    others = [str(owner) for owner in event.owners if owner.service is None]
    who = " and ".join([event.instance, *others] if event.instance else others) or "somebody that this user may not see"
    return f"{place} was {'bound' if event.bound else 'opened'} on {event.address} by {who}"


def _measured(event: ResourcesMeasured) -> str:
    cores = sum(it.cpu_mean for it in event.instances.values())
    memory_mib = sum(it.memory_mean_kib for it in event.instances.values()) / 1024
    count = number_of(len(event.instances), "instance")
    return f"{count} used {cores:.2f} cores and {memory_mib:.0f} MiB of memory"


def _discovered(event: EndpointsDiscovered) -> str:
    count = number_of(len(event.endpoints) + event.omitted, "endpoint")
    broken = f"; its callers can't rely on {number_of(len(event.breaking), 'thing')} any more" if event.breaking else ""
    return f"{event.service} has {count} by {IN_WORDS[event.source]}{broken}"


def _limit(event: LimitsDecided) -> str:
    return f"limit {event.instance}: {joined(f'{name} {value}' for name, value in event.values.items())}"


def _limits_applied(event: LimitsApplied) -> str:
    refused = joined((f"{it.option}: {it.reason}" for it in event.refused), "; ")
    done = (
        f"{event.instance} is limited: {joined(event.applied)}" if event.applied else f"{event.instance} is not limited"
    )
    return done + (f"; refused: {refused}" if refused else "")


def _reserved(event: PortReserved) -> str:
    return f"hold port {event.port} for {event.values.get('for', event.pattern)}: {event.values.get('pattern')}"


def _reservation_ended(event: ReservationEnded) -> str:
    who = event.pattern.partition("/")[2]
    return f"let port {event.port} go: {who} {'came' if event.came else 'did not come'}"


def _alert(event: AlertRaised) -> str:
    return f"{event.severity}: {event.message}" + (f"; {event.advice}" if event.advice else "")


def kind_of_alert(key: str) -> str:
    """`given up alert of web.1`, for one whose message is not known any more."""
    what, _, instance = key.partition(":")
    return f"{what.replace('_', ' ')} alert of {instance}" if instance else f"alert {key}"


SENTENCES: dict[type[Event], Callable[[Any], str]] = {
    LogOpened: _opened,
    LogSlow: lambda it: f"recording took {it.append_seconds:.1f} s, longer than the {it.limit_seconds:g} s it may take",
    LogFull: lambda it: f"the disk is full ({it.error}); {it.freed_bytes} bytes were freed to keep services alive",
    LogDamaged: lambda it: f"{it.file} was damaged and put aside: {it.problem}; known up to event {it.last_good}",
    SupervisorStarted: lambda it: f"a supervisor took over (pid {it.pid})",
    SupervisorStopped: _stopped,
    ClockStepped: lambda it: (
        f"the clock was set {'forward' if it.by_seconds > 0 else 'back'} by {abs(it.by_seconds):g} s"
    ),
    ConfigurationLoaded: _loaded,
    ConfigurationRefused: lambda it: f"the changed configuration can't be used, nothing was changed: {it.problem}",
    CommandReceived: _asked,
    DeadlineReached: _due,
    RunStarted: lambda it: f"{it.instance} started as pid {it.pid}",
    RunAdopted: lambda it: f"{it.instance} was found still running as pid {it.pid} and is watched again",
    RunRefused: _refused,
    RunAbandoned: lambda it: f"the start of {it.instance} decided at {it.run} never began and never will",
    RunExited: _exited,
    SignalSent: _signalled,
    ProbePassed: lambda it: f"{it.instance} answered well" + (f": {it.detail}" if it.detail else ""),
    ProbeFailed: _probed,
    ResourcesMeasured: _measured,
    MemoryExceeded: lambda it: (
        f"{it.instance} has used {it.memory_bytes >> 20} MiB of memory for {it.seconds:g} s, "
        f"more than its {it.limit_bytes >> 20} MiB"
    ),
    MemoryRecovered: lambda it: f"{it.instance} uses {it.memory_bytes >> 20} MiB of memory again",
    LimitsApplied: _limits_applied,
    LimitsDecided: _limit,
    SamplesSealed: lambda it: f"the samples of {it.file.partition('.')[0]} were sealed: {it.size_bytes} bytes",
    SamplesRetired: lambda it: f"the samples of {it.file.partition('.')[0]} were removed: {it.reason}",
    SamplesDropped: lambda it: f"samples could not be kept for {(it.until - it.since) / 1e6:.0f} s: {it.reason}",
    PortOpened: _port_opened,
    PortClosed: lambda it: f"{it.protocol} port {it.port} was closed on {it.address}",
    EndpointsDiscovered: _discovered,
    DocumentQuarantined: lambda it: f"what {it.service} says of itself at {it.path} can't be used: {it.reason}",
    TrafficObserved: lambda it: (
        f"the gateway was asked {number_of(sum(use.count for use in it.routes), 'time')} in {it.seconds:.0f} s"
        + (f"; {it.lost} more were not counted" if it.lost else "")
    ),
    PortHeld: lambda it: f"port {it.port} is held for {it.lease}",
    PortRefused: _port_refused,
    PortChosen: lambda it: f"hold port {it.port} for {it.lease}",
    LeaseGranted: lambda it: f"hold port {it.port} for the lease {it.lease}",
    LeaseReviewScheduled: lambda it: f"look at the lease {it.lease} again later",
    LeaseEnded: _lease_ended,
    PortReleased: lambda it: f"let port {it.port} of {it.lease} go",
    StartDecided: _start,
    DrainDecided: lambda it: f"{it.instance} is drained: nobody is led to it any more",
    RunDrained: lambda it: f"no request is under way to {it.instance}",
    StopDecided: _stop,
    KillDecided: lambda it: f"end {it.instance} and everything it started by force",
    PauseDecided: lambda it: f"let {it.instance} and everything it started stand still",
    ResumeDecided: lambda it: f"let {it.instance} go on",
    SignalDecided: lambda it: f"send signal {it.signal} to {it.instance}",
    RollingRestartStepped: lambda it: f"replace the run of {it.instance} next",
    RollingRestartEnded: lambda it: (
        f"stop the rolling restart of {it.service}: {it.problem}"
        if it.problem
        else f"every run of {it.service} was replaced"
    ),
    ScaleDecided: lambda it: f"run {number_of(it.instances, 'instance')} of {it.service}",
    RestartScheduled: _schedule,
    ServiceGivenUp: lambda it: f"give {it.instance} up after {number_of(it.failures, 'failure')}: it {it.reason}",
    AlertRaised: _alert,
    AlertResolved: lambda it: (
        f"over: {it.values['was']}" if "was" in it.values else f"the {kind_of_alert(it.key)} is over"
    ),
    PatternReviewScheduled: lambda _: "look at what is expected again later",
    PortReserved: _reserved,
    ReservationEnded: _reservation_ended,
    ShutdownCompleted: lambda _: "everything that was to end has ended: the supervisor may go",
}
"""One for each kind of event: what was seen in the past tense, what was decided as an instruction."""

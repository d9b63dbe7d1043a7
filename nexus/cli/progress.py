"""Progress in plain words: a line for each change that somebody who waits wants to hear of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from events.catalog import (
    Event,
    KillDecided,
    LogFull,
    LogSlow,
    PauseDecided,
    PortRefused,
    ProbeFailed,
    ProbePassed,
    RestartScheduled,
    ResumeDecided,
    RollingRestartEnded,
    RunAdopted,
    RunExited,
    RunRefused,
    RunStarted,
    ServiceGivenUp,
    SignalDecided,
    StartDecided,
    StopDecided,
)
from events.envelope import Micros, Recorded
from nexus.cli.output import duration
from projections import story
from projections.conditions import instances_of, is_internal, waits_for
from projections.deadlines import Deadline
from projections.services import Instance, how_it_ended
from projections.state import State

Line = tuple[str, str]
"""Who, and what about them."""

PATIENCE_MICROS = 1_000_000


def line(before: State, it: Recorded, after: State) -> Line | None:
    """What a person who waits is told about an event; None for nothing."""
    tell = TOLD.get(type(it.event))
    text = tell(before, it, after) if tell else ""
    if not text:
        return None
    instance = getattr(it.event, "instance", "") or getattr(it.event, "lease", "").partition("/")[0]
    if instance and is_internal(after, instance.rpartition(".")[0]):
        return None
    return short_name(after, instance) if instance else "nexus", text


def short_name(state: State, instance: str) -> str:
    """The name of the service where it has one instance only."""
    service = instance.rpartition(".")[0]
    return service if len(instances_of(state, service)) < 2 else instance


def _since(state: State, instance: str, at: Micros) -> str:
    known = state.services.instances.get(instance)
    return duration((at - known.started_at) / 1e6) if known and known.started_at else ""


def _starting(_: State, it: Recorded, __: State) -> str:
    event = it.event
    assert isinstance(event, StartDecided)
    ports = ", ".join(str(port) for port in event.ports.values())
    tries = event.values.get("tries")
    again = f", try {event.attempt}" + (f" of {tries}" if tries else "") if event.attempt else ""
    return "starting" + (f" on port {ports}" if ports else "") + again


def _started(_: State, it: Recorded, after: State) -> str:
    event = it.event
    assert isinstance(event, RunStarted)
    known = after.services.instances.get(event.instance)
    return f"running (pid {event.pid})" if known and known.state == "running" else ""


def _adopted(_: State, it: Recorded, __: State) -> str:
    event = it.event
    assert isinstance(event, RunAdopted)
    return f"still running (pid {event.pid}), watched again"


def _passed(before: State, it: Recorded, _: State) -> str:
    event = it.event
    assert isinstance(event, ProbePassed)
    known = before.services.instances.get(event.instance)
    if known and known.state == "starting":
        return f"healthy after {_since(before, event.instance, it.at)}"
    return "healthy again" if before.health.status(event.instance) in ("degraded", "unhealthy") else ""


def _failed(before: State, it: Recorded, after: State) -> str:
    event = it.event
    assert isinstance(event, ProbeFailed)
    worse = after.health.status(event.instance)
    return f"{worse}: {event.detail}" if worse != before.health.status(event.instance) else ""


def _exited(before: State, it: Recorded, after: State) -> str:
    event = it.event
    assert isinstance(event, RunExited)
    was, now = before.services.instances.get(event.instance), after.services.instances.get(event.instance)
    if now and now.state == "completed":
        return f"done after {_since(before, event.instance, it.at)}"
    if was and was.state == "stopping":
        return f"stopped after {duration((it.at - was.since) / 1e6)}"
    return how_it_ended(event)


def _scheduled(_: State, it: Recorded, __: State) -> str:
    event = it.event
    assert isinstance(event, RestartScheduled)
    return f"next try in {duration((event.due - it.at) / 1e6)}"


def _port_refused(_: State, it: Recorded, __: State) -> str:
    event = it.event
    assert isinstance(event, PortRefused)
    return f"port {event.port} can't be had: {event.reason}"


def _stopping(_: State, it: Recorded, __: State) -> str:
    event = it.event
    assert isinstance(event, StopDecided)
    if event.failure:
        return f"stopping: it {event.failure}"
    return "stopping" + (": what it needs is lost" if event.rule == "dependency.lost" else "")


def _refused(_: State, it: Recorded, __: State) -> str:
    event = it.event
    assert isinstance(event, RunRefused)
    return f"could not be started: {event.error}" + (f"; {event.advice}" if event.advice else "")


def _plain(text: str) -> Callable[[State, Recorded, State], str]:
    return lambda _, __, ___: text


TOLD: dict[type[Event], Callable[[State, Recorded, State], Any]] = {
    StartDecided: _starting,
    RunStarted: _started,
    RunAdopted: _adopted,
    RunRefused: _refused,
    ProbePassed: _passed,
    ProbeFailed: _failed,
    RunExited: _exited,
    RestartScheduled: _scheduled,
    ServiceGivenUp: _plain("given up"),
    PortRefused: _port_refused,
    StopDecided: _stopping,
    SignalDecided: lambda _, it, __: story.sentence(it.event),
    RollingRestartEnded: lambda _, it, __: story.sentence(it.event),
    PauseDecided: _plain("paused"),
    ResumeDecided: _plain("goes on"),
    KillDecided: _plain("did not stop in time: ended by force"),
    LogFull: lambda _, it, __: story.sentence(it.event),
    LogSlow: lambda _, it, __: story.sentence(it.event),
}


def waiting(state: State, now: Micros) -> list[str]:
    """Whom a person who waits is waiting for: those that have been at it for a second or more."""
    return [
        text
        for instance in state.services.instances.values()
        if now - instance.since >= PATIENCE_MICROS and not is_internal(state, instance.service)
        for text in _waiting(state, instance, now)
    ]


def _waiting(state: State, instance: Instance, now: Micros) -> Iterator[str]:
    name, seconds = short_name(state, instance.name), (now - instance.since) / 1e6
    if instance.state == "stopping":
        limit = state.deadlines.by_key.get(f"kill:{instance.name}")
        yield f"waiting for {name} (pid {instance.pid}): {_of(seconds, instance, limit)}"
    elif instance.state == "starting":
        limit = state.deadlines.by_key.get(f"ready:{instance.name}")
        what = waits_for(state, instance)
        yield f"waiting for {name} (pid {instance.pid}) and {what}: {_of(seconds, instance, limit)}"


def _of(seconds: float, instance: Instance, limit: Deadline | None) -> str:
    return f"{seconds:.0f} of {(limit.due - instance.since) / 1e6:.0f} s" if limit else f"{seconds:.0f} s"

"""What each event changes in the tables that people query with SQL: pure, one handler a kind.

Moments are ISO 8601 in UTC, so that tools such as Datasette understand them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from events.catalog import (
    AlertRaised,
    AlertResolved,
    CommandReceived,
    Decision,
    Event,
    LeaseEnded,
    PortClosed,
    PortHeld,
    PortOpened,
    PortReleased,
    ProbeFailed,
    ProbePassed,
    RunAbandoned,
    RunAdopted,
    RunExited,
    RunRefused,
    RunStarted,
    StartDecided,
)
from events.envelope import Position, Recorded
from projections import event_views, story
from projections.moments import iso
from projections.services import how_it_ended

Values = dict[str, Any]


class Table(msgspec.Struct, frozen=True):
    """A table: its columns, the first of which is its key, and which of them name rows of other tables."""

    about: str
    columns: dict[str, type]
    references: dict[str, str] = {}
    indexed: tuple[str, ...] = ()


EVENT = {"seq": "events"}
TABLES: dict[str, Table] = {
    "events": Table(
        "Every event; `data` is JSON, `summary` says it in words, `service` is null for what is about no service.",
        {"seq": int, "id": str, "at": str, "kind": str, "stream": str, "service": str, "cause": int,
         "correlation": int, "actor": str, "summary": str, "data": str},
        {"cause": "events", "correlation": "events"}, ("at", "kind", "service", "cause", "correlation"),
    ),
    "decisions": Table(
        "What was decided; `given` and `rejected` are JSON, `outcome` is the first observation that it caused.",
        {"seq": int, "at": str, "rule": str, "subject": str, "summary": str, "cause": int, "outcome": int,
         "given": str, "rejected": str},
        {**EVENT, "cause": "events", "outcome": "events"}, ("at", "rule", "cause"),
    ),
    "commands": Table(
        "What people and programs asked for; `services` is a JSON list.",
        {"seq": int, "at": str, "verb": str, "services": str, "actor": str, "command_id": str}, EVENT,
    ),
    "runs": Table(
        "One process life of an instance; `run` is the position of the decision that started it.",
        {"run": int, "instance": str, "service": str, "attempt": int, "decided_at": str, "pid": int,
         "started_at": str, "ended_at": str, "exit_code": int, "signal": str, "ending": str},
        {"run": "decisions"}, ("instance", "service", "started_at"),
    ),
    "checks": Table(
        "Every answer to a probe that was recorded; `passed` is 0 or 1.",
        {"seq": int, "at": str, "instance": str, "service": str, "run": int, "passed": int, "failures": int,
         "detail": str},
        {**EVENT, "run": "runs"}, ("at", "instance", "run"),
    ),
    "alerts": Table(
        "What somebody ought to know; `resolved_at` is null while it lasts.",
        {"seq": int, "key": str, "severity": str, "subject": str, "message": str, "advice": str, "raised_at": str,
         "resolved_at": str},
        {"seq": "decisions"}, ("key",),
    ),
    "leases": Table(
        "Which port was held for whom, and until when.",
        {"seq": int, "lease": str, "port": int, "held_at": str, "released_at": str}, EVENT, ("port", "lease"),
    ),
    "open_ports": Table(
        "Which port of this machine was open, by whom, and until when.",
        {"seq": int, "port": int, "protocol": str, "address": str, "instance": str, "pid": int, "command": str,
         "user": str, "opened_at": str, "closed_at": str},
        EVENT, ("port",),
    ),
    "services": Table(
        "The services as they are at the last event; `depends_on` is a JSON list, `wanted` 0 or 1.",
        {"name": str, "state": str, "health": str, "category": str, "wanted": int, "depends_on": str, "why": str},
    ),
    "instances": Table(
        "The instances as they are at the last event; `ports` is a JSON object.",
        {"name": str, "service": str, "state": str, "health": str, "pid": int, "ports": str, "restarts": int,
         "started_at": str, "problem": str},
        {"service": "services"}, ("service",),
    ),
}  # fmt: skip
"""Every table by name."""


class StoredEvent(event_views.StoredEvent, Protocol):
    """An event with its row, as a reader of the log gives it."""

    @property
    def recorded(self) -> Recorded: ...


class Change(msgspec.Struct, frozen=True):
    """Values for the row with their key.

    With `sets`, that one for every row which agrees in the others, began `before` and has none yet.
    """

    table: str
    values: Values
    sets: str = ""
    before: Position = 0


Handler = Callable[[Recorded, Any], Iterable[Change]]
HANDLERS: dict[type[Event], Handler] = {}


def _on(*kinds: type[Event]) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def changes(stored: StoredEvent) -> Iterable[Change]:
    """What an event changes in the tables."""
    it = stored.recorded
    shown = event_views.event(stored)
    kind, _, name = stored.stream.partition("/")
    yield Change("events", {
        "seq": it.seq, "id": shown.id, "at": shown.at, "kind": shown.kind, "stream": shown.stream,
        "service": name if kind == "service" else None, "cause": it.cause, "correlation": shown.correlation,
        "actor": it.actor, "summary": story.sentence(it.event), "data": bytes(shown.data).decode(),
    })  # fmt: skip
    if isinstance(it.event, Decision):
        yield _decided(it, it.event)
    elif it.cause is not None:
        yield Change("decisions", {"seq": it.cause, "outcome": it.seq}, "outcome", it.seq)
    handler = HANDLERS.get(type(it.event))
    if handler is not None:
        yield from handler(it, it.event)


def _decided(it: Recorded, event: Decision) -> Change:
    return Change("decisions", {
        "seq": it.seq, "at": iso(it.at), "rule": event.rule, "subject": story.subject(event),
        "summary": story.sentence(event), "cause": it.cause, "given": _json(event.values),
        "rejected": _json(event.rejected),
    })  # fmt: skip


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


@_on(CommandReceived)
def _asked(it: Recorded, event: CommandReceived) -> Iterable[Change]:
    yield Change("commands", {
        "seq": it.seq, "at": iso(it.at), "verb": event.verb, "services": _json(event.services), "actor": it.actor,
        "command_id": event.command_id,
    })  # fmt: skip


@_on(StartDecided)
def _starting(it: Recorded, event: StartDecided) -> Iterable[Change]:
    yield Change("runs", {
        "run": it.seq, "instance": event.instance, "service": event.service, "attempt": event.attempt,
        "decided_at": iso(it.at),
    })  # fmt: skip


@_on(RunStarted)
def _started(it: Recorded, event: RunStarted) -> Iterable[Change]:
    yield Change("runs", {"run": event.run, "pid": event.pid, "started_at": iso(it.at)})


@_on(RunAdopted)
def _adopted(_: Recorded, event: RunAdopted) -> Iterable[Change]:
    yield Change("runs", {"run": event.run, "pid": event.pid})


@_on(RunExited)
def _exited(it: Recorded, event: RunExited) -> Iterable[Change]:
    yield Change("runs", {
        "run": event.run, "ended_at": iso(it.at), "exit_code": event.exit_code, "signal": event.signal,
        "ending": how_it_ended(event),
    })  # fmt: skip


@_on(RunRefused, RunAbandoned)
def _never_ran(it: Recorded, event: RunRefused | RunAbandoned) -> Iterable[Change]:
    ending = event.error if isinstance(event, RunRefused) else "never began"
    yield Change("runs", {"run": event.run, "ended_at": iso(it.at), "ending": ending})


@_on(ProbePassed, ProbeFailed)
def _probed(it: Recorded, event: ProbePassed | ProbeFailed) -> Iterable[Change]:
    failed = isinstance(event, ProbeFailed)
    yield Change("checks", {
        "seq": it.seq, "at": iso(it.at), "instance": event.instance, "service": event.service, "run": event.run,
        "passed": int(not failed), "failures": event.failures if isinstance(event, ProbeFailed) else 0,
        "detail": event.detail,
    })  # fmt: skip


@_on(AlertRaised)
def _raised(it: Recorded, event: AlertRaised) -> Iterable[Change]:
    yield Change("alerts", {
        "seq": it.seq, "key": event.key, "severity": event.severity, "subject": event.subject,
        "message": event.message, "advice": event.advice, "raised_at": iso(it.at),
    })  # fmt: skip


@_on(AlertResolved)
def _resolved(it: Recorded, event: AlertResolved) -> Iterable[Change]:
    yield _over("alerts", it, "resolved_at", key=event.key)


@_on(PortHeld)
def _held(it: Recorded, event: PortHeld) -> Iterable[Change]:
    yield Change("leases", {"seq": it.seq, "lease": event.lease, "port": event.port, "held_at": iso(it.at)})


@_on(PortReleased, LeaseEnded)
def _released(it: Recorded, event: PortReleased | LeaseEnded) -> Iterable[Change]:
    yield _over("leases", it, "released_at", lease=event.lease, port=event.port)


@_on(PortOpened)
def _opened(it: Recorded, event: PortOpened) -> Iterable[Change]:
    owner = event.owners[0] if event.owners else None
    yield Change("open_ports", {
        "seq": it.seq, "port": event.port, "protocol": event.protocol, "address": event.address,
        "instance": event.instance or None, "pid": owner.pid if owner else None,
        "command": owner.command if owner else None, "user": owner.user if owner else None, "opened_at": iso(it.at),
    })  # fmt: skip


@_on(PortClosed)
def _closed(it: Recorded, event: PortClosed) -> Iterable[Change]:
    where = {"port": event.port, "protocol": event.protocol, "address": event.address}
    yield _over("open_ports", it, "closed_at", **where)


def _over(table: str, it: Recorded, column: str, **where: object) -> Change:
    """It ends what began before and has not ended."""
    return Change(table, {**where, column: iso(it.at)}, column, it.seq)

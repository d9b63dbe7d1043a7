"""What may be asked: pure questions to the state of a moment, and to the log up to it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from events.codec import KINDS
from events.envelope import Micros, Position
from events.reader import Reader, Stored
from nexus.http import shown
from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.policies.advice import AdviceView, advice_view
from projections import alert_views, event_views, log_questions, pattern_views, views
from projections.conditions import is_internal
from projections.explanation import Explanation
from projections.log_questions import DECISION_KINDS, outcome
from projections.moments import Moment, MomentError, iso, parse
from projections.port_past import past
from projections.state import State

LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000
AT_SCHEMA = {
    "anyOf": [
        {"pattern": "^(0|[1-9][0-9]{0,11})$"},
        {"format": "date-time"},
        {"pattern": "^([1-9][0-9]{0,2}|an?) ?(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?) ago$"},
        {"pattern": "^((today|yesterday) )?([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"},
        {"enum": ["now"]},
    ],
    "examples": ["412", "2026-03-01T14:02:11Z", "10 min ago", "14:02", "yesterday 09:14"],
}
When = Annotated[str, msgspec.Meta(description="A moment, by default now.", extra_json_schema=AT_SCHEMA)]
Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]
Seq = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class AtQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A moment."""

    at: When | None = None


class PageQuery(AtQuery, frozen=True, forbid_unknown_fields=True):
    """A page of what happened up to a moment."""

    after: Annotated[int, msgspec.Meta(ge=0, le=10**12, description="Begin after this position.")] = 0
    before: Annotated[int, msgspec.Meta(ge=1, le=10**12, description="End before this position.")] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX, description="How many at most.")] = LIMIT_DEFAULT
    newest_first: Annotated[bool, msgspec.Meta(description="The newest ones, the newest first.")] = False
    service: Annotated[str, msgspec.Meta(description="Only what is about this service.")] = ""
    search: Annotated[str, msgspec.Meta(max_length=200, description="Only with this text, whatever its case.")] = ""


class EventsQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """A page of events."""

    kind: Annotated[str, msgspec.Meta(description="run.exited, or run for all of run.*; several with commas.")] = ""
    stream: Annotated[str, msgspec.Meta(description="Only this stream: nexus, service/NAME or port/NUMBER.")] = ""
    since: When | None = None


class OfService(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service, by name."""

    service: Name


class OfPort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port, by number."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class OfEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event, by position."""

    id: Seq


class Known(msgspec.Struct, frozen=True):
    """What a question is answered from: the state of a moment, and the log."""

    state: State
    reader: Reader
    home: Path
    now: Micros
    alive: bool


# -- when ----------------------------------------------------------------------------------------


def position(reader: Reader, text: str, what: str = "at") -> Position:
    """The position of the last event up to the moment that `text` names; raises Problem 400 or 404."""
    moment = _moment(text, what)
    if moment.seq is None:
        return reader.seq_at(moment.at)
    head = reader.head
    if moment.seq > (head.seq):
        raise no_such_event(moment.seq, head.seq)
    return moment.seq


def _moment(text: str, what: str) -> Moment:
    try:
        return parse(text, datetime.now().astimezone(), lambda naive: naive.astimezone())
    except MomentError as error:
        raise Problem(400, f"the query key {what!r}", error.expected, repr(text)[:100], "Mend it.") from error


def no_such_event(seq: Position, head: Position) -> Problem:
    """The answer to a question about what has not happened."""
    return Problem(404, f"event {seq}", f"a position from 1 to {head}", "none", "GET /api/events names them.")


# -- questions to the state ------------------------------------------------------------------------


def status(known: Known, _: Asked[Nothing, AtQuery]) -> views.Status:
    """Everything at a glance."""
    return views.status(known.state, known.now, known.alive)


def services(known: Known, _: Asked[Nothing, AtQuery]) -> shown.ServicesView:
    """Every service with its instances."""
    found = views.status(known.state, known.now, known.alive)
    return shown.ServicesView(found.seq, found.at, found.services)


def service(known: Known, asked: Asked[OfService, AtQuery]) -> shown.OneService:
    """One service with its instances."""
    name = asked.place.service
    found = views.status(known.state, known.now, known.alive)
    if name not in found.services:
        raise no_such_service(known.state, name)
    return shown.OneService(found.seq, found.at, name, found.services[name])


def no_such_service(state: State, name: str) -> Problem:
    """The answer to a question about a service that is not declared."""
    names = ", ".join(views.service_names(state)) or "none"
    return Problem(404, f"the service {name!r}", f"one of: {names}", "no such one", "GET /api/services lists them.")


def ports(known: Known, _: Asked[Nothing, AtQuery]) -> views.PortsView:
    """The ports that are known of."""
    return views.ports(known.state)


def port(known: Known, asked: Asked[OfPort, AtQuery]) -> shown.OnePort:
    """One port: who has it, and what happened to it and why."""
    number, found = asked.place.port, views.ports(known.state)
    one = next((it for it in found.ports if it.port == number), None)
    return shown.OnePort(found.seq, found.at, number, one, past(known.reader, number, known.state.seq))


def advice(known: Known, _: Asked[Nothing, AtQuery]) -> AdviceView:
    """What to do about ports, and which are free."""
    return advice_view(known.state)


def leases(known: Known, _: Asked[Nothing, AtQuery]) -> views.LeasesView:
    """The ports that are promised, by lease."""
    return views.leases(known.state)


def alerts(known: Known, _: Asked[Nothing, AtQuery]) -> alert_views.AlertsView:
    """What somebody ought to know."""
    return alert_views.alerts(known.state)


def graph(known: Known, _: Asked[Nothing, AtQuery]) -> views.GraphView:
    """Which service needs which."""
    return views.graph(known.state)


def patterns(known: Known, _: Asked[Nothing, AtQuery]) -> pattern_views.PatternsView:
    """When services and other programs start."""
    return pattern_views.patterns(known.state)


def predictions(known: Known, _: Asked[Nothing, AtQuery]) -> pattern_views.PredictionsView:
    """The starts that are expected today."""
    return pattern_views.predictions(known.state)


# -- questions to the log --------------------------------------------------------------------------


def events(known: Known, asked: Asked[Nothing, EventsQuery]) -> shown.EventsPage:
    """A page of the history."""
    query = asked.query
    kinds = kinds_of(query.kind)
    streams = [it for it in (query.stream, f"service/{query.service}" if query.service else "") if it]
    after = query.after if query.since is None else max(query.after, _before(known.reader, query.since))
    if kinds == set() or len(set(streams)) > 1:
        return shown.EventsPage(known.state.seq, iso(known.now), [], None)
    rows, following = _page(known, query, kinds or (), streams[:1], after)
    return shown.EventsPage(known.state.seq, iso(known.now), [shown.event(row) for row in rows], following)


def _before(reader: Reader, since: str) -> Position:
    """The position before the first event from a moment on."""
    moment = _moment(since, "since")
    return reader.seq_at(moment.at - 1) if moment.seq is None else max(0, position(reader, since, "since") - 1)


def kinds_of(text: str) -> set[str] | None:
    """The kinds that are meant, None for all."""
    wanted = {it.strip() for it in text.split(",") if it.strip()}
    if not wanted:
        return None
    return {kind for kind in KINDS if kind in wanted or kind.partition(".")[0] in wanted}


def _page(
    known: Known, query: PageQuery, kinds: Collection[str], streams: list[str], after: Position
) -> tuple[list[Stored], Position | None]:
    """The rows of a page, and where the next one begins."""
    until = known.state.seq
    if query.before is not None:
        until = min(until, query.before - 1)
    if after >= until:
        return [], None
    found = list(known.reader.rows(
        after, until, kinds=kinds, streams=streams, search=query.search, newest_first=query.newest_first,
        limit=query.limit + 1,
    ))  # fmt: skip
    rows = found[: query.limit]
    return rows, rows[-1].seq if len(found) > query.limit else None


def event(known: Known, asked: Asked[OfEvent, AtQuery]) -> shown.EventView:
    """One event."""
    stored = known.reader.get(asked.place.id) if asked.place.id <= known.state.seq else None
    if stored is None:
        raise no_such_event(asked.place.id, known.state.seq)
    return shown.event(stored)


def decisions(known: Known, asked: Asked[Nothing, PageQuery]) -> shown.DecisionsPage:
    """A page of the decisions, each with its rule, values and rejected options."""
    query = asked.query
    streams = [f"service/{query.service}"] if query.service else []
    rows, following = _page(known, query, DECISION_KINDS, streams, query.after)
    found = [event_views.decision(row.recorded, outcome(known.reader, row.seq, known.state.seq)) for row in rows]
    return shown.DecisionsPage(known.state.seq, iso(known.now), found, following)


def decision(known: Known, asked: Asked[OfEvent, AtQuery]) -> event_views.DecisionView:
    """One decision."""
    stored = known.reader.get(asked.place.id) if asked.place.id <= known.state.seq else None
    if stored is None or stored.kind not in DECISION_KINDS:
        raise Problem(
            404, f"decision {asked.place.id}", "the position of a decision", stored.kind if stored else "no event",
            "GET /api/decisions lists them.",
        )  # fmt: skip
    return event_views.decision(stored.recorded, outcome(known.reader, stored.seq, known.state.seq))


def explain(known: Known, asked: Asked[OfEvent, AtQuery]) -> Explanation:
    """Why an event happened, up to the root, and what came of it by that moment."""
    until = known.state.seq
    found = log_questions.explain(known.reader, asked.place.id, until)
    if found is None:
        raise no_such_event(asked.place.id, until)
    return found


def is_shown(state: State, name: str) -> bool:
    """Whether there is such a service that people see."""
    return name in views.service_names(state) and not is_internal(state, name)

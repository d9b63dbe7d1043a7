"""What happened: the events and the decisions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated, TypeVar

import typer

from events.codec import KINDS
from events.errors import UnknownEventError
from events.reader import Stored
from nexus.cli import output
from nexus.cli.follow import forever
from nexus.cli.options import At, Json, commands
from nexus.cli.output import paint, say
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.config.errors import did_you_mean
from nexus.http import shown
from projections import event_views, story
from projections.conditions import is_internal
from projections.event_views import DecisionView
from projections.log_questions import DECISION_KINDS, outcome
from projections.moments import micros_of

T = TypeVar("T")

app = commands()
FOLLOWED = 10
"""How many events a follower sees first, where nothing else was asked for."""

Since = Annotated[str, typer.Option("--since", metavar="TIME", help="Only what happened from this moment on.")]
OfService = Annotated[str, typer.Option("--service", metavar="NAME", help="Only what is about this service.")]
Last = Annotated[int, typer.Option("-n", "--last", metavar="N", min=0, help="Only the last N; all without.")]


@app.command()
def events(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what happens next.")] = False,
    kind: Annotated[str, typer.Option(metavar="KIND", help="Only this kind: run.exited, or run for all of run.*")] = "",
    service: OfService = "",
    since: Since = "",
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only those that contain this text.")] = "",
    last: Last = 0,
    at: At = "",
    as_json: Json = False,
) -> None:
    """List what was seen and decided, the oldest first."""
    session: Session = context.obj
    if follow and not since:
        last = last or FOLLOWED
    if session.remote:
        _far_events(session, (kind, service, search), session.when(since), session.when(at), last, follow)
        return
    kinds, streams = kinds_of(kind), streams_of(session, service)
    after = session.start(since) - 1 if since else 0
    head = session.position(at) if at else session.head
    reader = session.history.reader

    def look() -> None:
        nonlocal head
        reached = session.head
        for stored in reader.rows(head, reached, kinds=kinds, streams=streams, search=search):
            _show(session, stored)
        head = reached

    for stored in _last(reader.rows(after, head, kinds=kinds, streams=streams, search=search), last):
        _show(session, stored)
    if follow:
        forever(look)


def _far_events(session: Session, asked: tuple[str, str, str], since: str, at: str, last: int, follow: bool) -> None:
    from nexus.cli import far

    kind, service, search = asked

    def show(event: shown.EventView) -> None:
        _say(session, event, event.summary)

    head = session.client.status(at or None).seq
    for event in _last(far.events(session, kind, service, since, search, str(head)), last):
        show(event)
    if follow:
        far.follow(session, head, kind, service, search, show)


def kinds_of(text: str) -> list[str]:
    """The kinds that a person means: `run.exited`, or `run` for all of `run.*`; raises ProblemError for none."""
    found = [kind for kind in KINDS if kind == text or kind.startswith(f"{text}.")] if text else []
    if text and not found:
        raise ProblemError(
            f"there is no kind of event {text!r}",
            expected="a kind such as run.exited, or its first word",
            found=text,
            next_step=did_you_mean(text, KINDS, f"The kinds are {', '.join(KINDS)}."),
            kind="no-such-kind",
        )
    return found


def streams_of(session: Session, service: str) -> list[str]:
    """The stream of a service; raises ProblemError for one that the history does not know."""
    stream = f"service/{service}"
    if service and next(session.history.reader.rows(streams=[stream], limit=1), None) is None:
        known_service(session, service)
    return [stream] if service else []


def known_service(session: Session, name: str) -> str:
    """The name of a service, an instance being a part of one; raises ProblemError for one that is not declared."""
    state = session.state()
    declared = {service: it for service, it in state.services.declared.items() if not is_internal(state, service)}
    service = name if name in declared else name.rpartition(".")[0]
    if service in declared:
        return service
    raise ProblemError(
        f"there is no service {name!r}",
        expected=", ".join(declared) or "a service in nexus.toml",
        found=name,
        next_step=did_you_mean(name, declared, "`nexus status` lists them."),
        kind="no-such-service",
    )


def _last(found: Iterable[T], count: int) -> Iterable[T]:
    return deque(found, count) if count else found


def _show(session: Session, stored: Stored) -> None:
    try:
        text = story.sentence(stored.event)
    except UnknownEventError:
        text = "(recorded by a newer version of Nexus)"
    _say(session, event_views.event(stored), text)


def _say(session: Session, event: event_views.EventView, text: str) -> None:
    if session.json:
        output.emit(event)
        return
    position, clock = paint(f"{event.seq:>6}", "dim"), output.clock(micros_of(event.at))
    colour = "yellow" if event.kind in DECISION_KINDS else "cyan"
    say(f"{position}  {clock}  {paint(f'{event.kind:<20}', colour)}  {text}")


@app.command()
def decisions(
    context: typer.Context,
    rule: Annotated[str, typer.Option(metavar="RULE", help="Only by this rule, such as restart.ladder.")] = "",
    service: OfService = "",
    since: Since = "",
    last: Last = 0,
    at: At = "",
    as_json: Json = False,
) -> None:
    """List what was decided, by which rule, and what came of it."""
    session: Session = context.obj
    found = _far_decisions(session, service, since, at) if session.remote else _decisions(session, service, since, at)
    chosen = _last((it for it in found if not rule or it.rule == rule), last)
    if session.json:
        output.emit(event_views.DecisionsView(list(chosen)))
        return
    for it in chosen:
        after_what = f", after event {it.cause}" if it.cause else ""
        came = f" → event {it.outcome}" if it.outcome else ""
        say(f"{paint(f'{it.id:>6}', 'dim')}  {output.clock(micros_of(it.at))}  {it.summary}")
        say(f"        {paint(f'{it.rule}{after_what}{came}', 'dim')}")


def _decisions(session: Session, service: str, since: str, at: str) -> Iterator[DecisionView]:
    after = session.start(since) - 1 if since else 0
    until = session.position(at) if at else session.head
    reader = session.history.reader
    for stored in reader.rows(after, until, kinds=DECISION_KINDS, streams=streams_of(session, service)):
        yield event_views.decision(stored.recorded, outcome(reader, stored.seq, until))


def _far_decisions(session: Session, service: str, since: str, at: str) -> Iterator[DecisionView]:
    from nexus.cli import far

    return far.decisions(session, service, session.when(since), session.when(at))

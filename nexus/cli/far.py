"""Commands about a Nexus on another machine, over its web API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import typer

from nexus.cli import output
from nexus.cli.follow import forever
from nexus.cli.output import say
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.http.shown import EventView, LogPart
from projections.event_views import DecisionView

PAGE = 1_000
WAIT_SECONDS = 110.0
GOOD = {"start": ("running", "completed"), "stop": ("stopped", "completed"), "restart": ("running", "completed")}

Say = Callable[[EventView], None]
SayLine = Callable[[str, str, int], None]


def events(session: Session, kind: str, service: str, since: str, search: str, at: str) -> Iterator[EventView]:
    """The events that are asked for, the oldest first."""
    after: int | None = 0
    while after is not None:
        page = session.client.history(
            after=after, limit=PAGE, kind=kind, service=service, since=since or None, search=search, at=at or None
        )
        yield from page.events
        after = page.next


def follow(session: Session, after: int, kind: str, service: str, search: str, show: Say) -> None:
    """Show what happens after a position, until Ctrl-C."""
    try:
        for event in session.client.events(after, kind=kind, service=service):
            if search.casefold() in bytes(event.data).decode().casefold():
                show(event)
    except KeyboardInterrupt:
        pass


def decisions(session: Session, service: str, since: str, at: str) -> Iterator[DecisionView]:
    """The decisions that are asked for, the oldest first."""
    after: int | None = 0
    if since:
        first = session.client.history(since=since, limit=1).events
        after = first[0].seq - 1 if first else None
    while after is not None:
        page = session.client.decisions(after=after, limit=PAGE, service=service, at=at or None)
        yield from page.decisions
        after = page.next


def wish(session: Session, verb: str, services: Sequence[str], no_wait: bool) -> None:
    """Ask for something, service by service, and say what came of it; exit code 1 where it did not come true."""
    seq, problems = 0, dict[str, str]()
    for name in services:
        accepted = getattr(session.client, verb)(name, wait=0 if no_wait else WAIT_SECONDS)
        seq, outcome = accepted.seq, accepted.outcome
        if no_wait:
            text = f"recorded as event {seq}"
        elif outcome.settled and outcome.state in GOOD[verb]:
            text = str(outcome.state)
        else:
            text = problems[name] = outcome.why or f"{outcome.state} after {WAIT_SECONDS:g} s"
        if not session.json:
            say(f"{name}: {text}")
    if session.json:
        output.emit({"seq": seq, "done": not problems and not no_wait, "problems": problems})
    if problems:
        raise typer.Exit(1)


def logs(session: Session, names: Sequence[str], lines: int, following: bool, show: SayLine) -> None:
    """Show what services wrote, and with `following` what they write next, until Ctrl-C."""
    services = session.client.services().services
    wanted = {name: it for name, it in services.items() if not names or name in names}
    if unknown := [name for name in names if name not in services]:
        raise ProblemError(f"there is no service {unknown[0]!r}", expected=", ".join(services), kind="no-such-service")
    instances = [(name, number) for name, it in wanted.items() for number in range(1, len(it.instances) + 1)]
    width = max((len(f"{name}.{number}") for name, number in instances), default=0) if len(instances) > 1 else 0
    ends: dict[str, int] = {}
    for name, number in instances:
        part = session.client.logs(name, number)
        ends[part.instance] = part.end
        for text in part.lines[-lines:] if lines else []:
            show(part.instance, text, width)

    def look() -> None:
        for name, number in instances:
            part: LogPart = session.client.logs(name, number, start=ends[f"{name}.{number}"])
            ends[part.instance] = part.end
            for text in part.lines:
                show(part.instance, text, width)

    if following:
        forever(look, seconds=1.0)

"""Endpoints: what the services can be asked, and what changed of it."""

from __future__ import annotations

from typing import Annotated

import typer

from nexus.cli import output
from nexus.cli.options import At, Json, commands
from nexus.cli.output import paint, say, table
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.registry.whole import ChangeView, differences
from projections import endpoint_views, views
from projections.conflicts import TOLD
from projections.endpoint_views import ConflictView, EndpointView
from projections.state import State
from projections.traffic import TrafficView

app = commands()
endpoints = typer.Typer(rich_markup_mode=None, invoke_without_command=True)
app.add_typer(endpoints, name="endpoints")

Service = Annotated[str, typer.Option("--service", metavar="NAME", help="Only of this service.")]
route = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(route, name="route", help="Say what becomes of a request.")

MARKS = {"added": "+", "removed": "-", "changed": "~"}


@endpoints.callback()
def show(
    context: typer.Context,
    service: Service = "",
    usage: Annotated[bool, typer.Option("--usage", help="How each is used through the gateway, the busiest first.")] = (
        False
    ),
    at: At = "",
    as_json: Json = False,
) -> None:
    """Show what every service can be asked, and how that is known."""
    if context.invoked_subcommand:
        return
    session: Session = context.obj
    state = session.state(at)
    _check(state, service)
    if usage:
        _show_usage(session, endpoint_views.traffic(state, service or None))
        return
    shown = endpoint_views.endpoints(state, service or None)
    if session.json:
        output.emit(shown)
        return
    if not shown.endpoints:
        say("no endpoints are known: a service is asked for its OpenAPI document once it is healthy")
    else:
        rows = [[it.service, it.method, _path(it), it.source, it.health, it.summary or "–"] for it in shown.endpoints]
        for line in table(["SERVICE", "METHOD", "PATH", "KNOWN BY", "HEALTH", "SUMMARY"], rows):
            print(line)
    for one in shown.documents:
        if one.problem:
            say(f"{paint('warning')}: {one.service}{one.path} can't be used: {one.problem}")
    for it in shown.conflicts:
        _tell_conflict(it)


def _show_usage(session: Session, shown: TrafficView) -> None:
    if session.json:
        output.emit(shown)
        return
    if not shown.routes:
        say("nothing was asked through the gateway yet; it is counted each minute")
        return
    rows = [
        [it.service, it.method, it.path, str(it.count), str(it.errors),
         *(f"{it_ms:.1f}" for it_ms in (it.p50_ms, it.p95_ms, it.p99_ms)), ", ".join(list(it.callers)[:3])]
        for it in shown.routes
    ]  # fmt: skip
    for line in table(["SERVICE", "METHOD", "PATH", "COUNT", "5XX", "P50 MS", "P95 MS", "P99 MS", "CALLERS"], rows):
        print(line)
    if shown.lost:
        say(f"{shown.lost} requests were not counted")


def _path(it: EndpointView) -> str:
    return f"{it.path} ({it.name})" if it.name else it.path


def _tell_conflict(it: ConflictView) -> None:
    """Where it is plain which goes before it is told to programs only: nearly every service has such endpoints."""
    if it.kind in TOLD:
        first, second = f"{it.first.service} {it.first.method} {it.first.path}", f"{it.second.service} {it.second.path}"
        say(f"{paint('warning')}: {it.kind}: {first} and {second} both take {it.witness}")


def _check(state: State, service: str) -> None:
    names = views.service_names(state)
    if service and service not in names:
        raise ProblemError(
            f"there is no service {service!r}", expected=", ".join(names) or "none", found=service,
            kind="no-such-service",
        )  # fmt: skip


@endpoints.command()
def diff(
    context: typer.Context,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="From this moment; as for --at.")],
    to: Annotated[str, typer.Option("--to", metavar="TIME", help="To this moment, by default now.")] = "",
    service: Service = "",
    as_json: Json = False,
) -> None:
    """Show what was added, removed and changed between two moments, and what of it breaks callers."""
    session: Session = context.obj
    before, after = session.state(since), session.state(to)
    _check(after, service)
    found = differences(session.home, before, after, service or None)
    breaking = sum(bool(it.breaking) for it in found)
    if session.json:
        output.emit({"from": before.seq, "to": after.seq, "breaking": breaking, "changes": found})
        return
    for it in found:
        _tell(it)
    end = f", {breaking} of them break callers" if breaking else ""
    say(f"{len(found)} changes between event {before.seq} and event {after.seq}{end}")


def _tell(it: ChangeView) -> None:
    say(f"{MARKS[it.change]} {it.service} {it.endpoint}")
    for text in it.breaking:
        say(f"    {paint('breaking', 'red')}: {text}")
    for text in it.notes:
        say(f"    {text}")


@route.command()
def explain(
    context: typer.Context,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Such as GET.", show_default=False)],
    url: Annotated[
        str, typer.Argument(metavar="PATH", help="A path through the gateway, or a URL.", show_default=False)
    ],
    at: At = "",
    as_json: Json = False,
) -> None:
    """Say which service and endpoint take a request, who else would, and why."""
    session: Session = context.obj
    try:
        shown = endpoint_views.taken(session.state(at), method, url)
    except ValueError as error:
        raise ProblemError(str(error), expected="a path or a URL", found=url, kind="usage") from error
    if session.json:
        output.emit(shown)
        return
    if shown.by is None:
        say(f"nobody takes {shown.method} {shown.path}: {shown.why}")
    else:
        say(f"{shown.by.service} takes it: {shown.by.endpoint or f'{shown.method} {shown.path}'}")
        say(f"  because {shown.by.why}")
        say(f"  answered by {', '.join(shown.instances)}" if shown.instances else f"  {shown.by.service} {shown.why}")
    for it in shown.others:
        say(f"{it.service} would take {shown.path} too: {it.endpoint}, {it.why}")

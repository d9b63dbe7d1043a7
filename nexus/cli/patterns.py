"""Patterns: when services and other programs start, and what is expected today."""

from __future__ import annotations

from typing import Annotated

import typer

from nexus.cli import output
from nexus.cli.options import At, Json, commands
from nexus.cli.output import paint, say, table
from nexus.cli.session import Session
from projections import pattern_views
from projections.moments import moment_of, parse

app = commands()


@app.command()
def patterns(
    context: typer.Context,
    due: Annotated[bool, typer.Option("--due", help="Only the starts that are expected today.")] = False,
    at: At = "",
    as_json: Json = False,
) -> None:
    """Show when services and other programs start, how sure that is, and what is done about it."""
    session: Session = context.obj
    state = session.state(at)
    if due:
        _due(session, pattern_views.predictions(state))
        return
    shown = pattern_views.patterns(state)
    if session.json:
        output.emit(shown)
    elif not shown.patterns:
        say("nothing has started yet")
    for it in [] if session.json else shown.patterns:
        say(f"{paint(it.who, 'bold')}: {it.does}; {it.starts} starts")
        rows = [[one.when, f"{one.hits} of {one.of}", f"{one.sure:.0%}", _next(one)] for one in it.rules]
        for line in table(["WHEN", "SEEN", "SURE", "NEXT"], rows) if rows else []:
            print(f"  {line}")


def _next(rule: pattern_views.RuleView) -> str:
    return _clock(rule.next) + ("" if rule.acts else ", only watched")


def _clock(moment: str) -> str:
    return output.clock(parse(moment, moment_of(0)).at)


def _due(session: Session, shown: pattern_views.PredictionsView) -> None:
    if session.json:
        output.emit(shown)
    elif not shown.predictions:
        say("nothing more is expected today")
    for it in [] if session.json else shown.predictions:
        ports = f" on {', '.join(map(str, it.held))}, held for it" if it.held else ""
        say(f"{_clock(it.opens)} to {_clock(it.closes)}: {paint(it.who, 'bold')}{ports} ({it.why})")

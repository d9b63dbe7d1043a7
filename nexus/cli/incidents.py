"""Incidents: stretches of the history with a name."""

from __future__ import annotations

from typing import Annotated

import typer

from nexus.cli import output
from nexus.cli.channel import submit
from nexus.cli.options import At, Json, commands
from nexus.cli.output import say, table
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from projections import incident_views

app = commands()
Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, '.', '_' and '-'.")]


@app.command()
def incidents(context: typer.Context, at: At = "", as_json: Json = False) -> None:
    """List the incidents that were marked."""
    session: Session = context.obj
    shown = incident_views.incidents(session.state(at), session.history.reader)
    if session.json:
        output.emit(shown)
    elif not shown.incidents:
        say("no incident is marked; `nexus mark NAME --from TIME --to TIME` marks one")
    else:
        rows = [[it.name, f"{it.first}-{it.last}", it.began_at, it.ended_at, it.marked_by] for it in shown.incidents]
        for line in table(["INCIDENT", "EVENTS", "BEGAN", "ENDED", "MARKED BY"], rows):
            print(line)


@app.command()
def mark(
    context: typer.Context,
    name: Name,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="When it began: as for --at.")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="When it was over; now without.")] = "",
    as_json: Json = False,
) -> None:
    """Name a stretch of the history, to find it again and to show it to others."""
    session: Session = context.obj
    first, last = session.start(start), session.position(end) if end else session.head
    if first > last:
        raise ProblemError(
            "nothing lies between these moments", expected="--from before --to", found=f"events {first} to {last}",
            kind="empty-interval",
        )  # fmt: skip
    seq = submit(session.home, "mark", arguments={"incident": name, "first": first, "last": last})
    told = {"seq": seq, "name": name, "first": first, "last": last}
    session.told(told, f"{name}: events {first} to {last}; see them with `nexus replay --from {first} --to {last}`")


@app.command()
def unmark(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Let a mark go; what happened stays."""
    session: Session = context.obj
    known = session.state().incidents.by_name
    if name not in known:
        names = ", ".join(known) or "none"
        raise ProblemError(f"there is no incident {name!r}", expected=names, found=name, kind="no-such-incident")
    session.told(
        {"seq": submit(session.home, "unmark", arguments={"incident": name}), "name": name}, f"{name}: unmarked"
    )

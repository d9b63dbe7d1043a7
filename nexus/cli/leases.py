"""Leases: ports promised by name to services, people and programs."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Annotated

import typer

from events.catalog import LeaseEnded
from events.envelope import Position
from nexus.cli import output
from nexus.cli.channel import submit
from nexus.cli.follow import pause
from nexus.cli.options import At, Json, commands
from nexus.cli.output import say, table
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.config.values import seconds_of
from projections import views
from projections.personal import PersonalLease

app = commands()

RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


@app.command(context_settings={"ignore_unknown_options": True})
def lease(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The lease; all are listed without.")] = "",
    prefer: Annotated[str, typer.Option(metavar="FIRST-LAST", help="Only a port of this range.")] = "",
    term: Annotated[
        str,
        typer.Option("--for", metavar="TIME", help="How long; without, until it is unused for 5 minutes."),
    ] = "",
    execute: Annotated[bool, typer.Option("--exec", help="Run COMMAND with PORT set; the lease ends with it.")] = False,
    command: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]", help="What --exec runs.")] = None,
    at: At = "",
    as_json: Json = False,
) -> None:
    """Get a port that nobody else will get, or list the ports that are promised."""
    session: Session = context.obj
    if name in ("", "list") or at:
        _list(session, name, at)
        return
    session.refuse_bundle("lease NAME")
    if execute != bool(command):
        raise ProblemError(
            "--exec and a command belong together", next_step=f"nexus lease {name} --exec -- COMMAND", kind="usage"
        )  # fmt: skip
    wanted = _wanted(prefer, term)
    if session.remote and not execute:
        given = session.client.lease(name, *wanted).lease
        session.told(given, str(given.port))
        return
    known = zip(("first", "last", "term_seconds"), wanted, strict=True)
    arguments = {key: value for key, value in known if value is not None}
    granted = _outcome(session, submit(session.home, "lease", arguments={"lease": name, **arguments}), name)
    if execute:
        code = _run(name, granted.port, command or [])
        submit(session.home, "release", arguments={"lease": name})
        raise typer.Exit(code)
    session.told(views.personal_lease(granted), str(granted.port))


@app.command()
def release(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")], as_json: Json = False
) -> None:
    """Give a port back that `nexus lease` got."""
    session: Session = context.obj
    if session.remote:
        released = session.client.release(name)
        session.told(released, f"{name}: port {released.port} is given back")
        return
    known = session.state().personal.by_name
    if name not in known:
        names = ", ".join(known) or "none"
        raise ProblemError(f"there is no lease {name!r} to release", expected=names, found=name, kind="no-such-lease")
    seq = submit(session.home, "release", arguments={"lease": name})
    session.told({"seq": seq, "name": name, "port": known[name].port}, f"{name}: port {known[name].port} is given back")


def _list(session: Session, name: str, at: str) -> None:
    shown = session.source.leases(session.when(at))
    one = name not in ("", "list")
    found = [it for it in shown.leases if not one or name in (it.name, it.holder, it.holder.rpartition(".")[0])]
    if one and not found:
        names = ", ".join(it.name for it in shown.leases) or "none"
        raise ProblemError(f"there is no lease {name!r}", expected=names, found=name, kind="no-such-lease")
    if session.json:
        output.emit(found[0] if one and len(found) == 1 else views.LeasesView(shown.seq, shown.at, found))
        return
    if not found:
        say("no ports are leased")
        return
    rows = [[it.name, str(it.port), it.state, it.holder or "–", it.expires_at or "–"] for it in found]
    for line in table(["LEASE", "PORT", "STATE", "HOLDER", "UNTIL"], rows):
        print(line)


def _wanted(prefer: str, term: str) -> tuple[int | None, int | None, float | None]:
    """The first and the last port, and for how many seconds; raises ProblemError for a range or time that is none."""
    first = last = seconds = None
    if prefer:
        match = RANGE.fullmatch(prefer)
        if match is None:
            raise ProblemError(
                "that is no range of ports", expected="FIRST-LAST, such as 3000-3999", found=prefer, kind="usage"
            )  # fmt: skip
        first, last = int(match[1]), int(match[2] or match[1])
    if term:
        seconds = seconds_of(term)
        if not seconds:
            raise ProblemError("that is no time", expected="a time such as 90s, 2h or 1h 30m", found=term, kind="usage")
    return first, last, seconds


def _outcome(session: Session, seq: Position, name: str) -> PersonalLease:
    """The lease once it is held; raises ProblemError where no port was free."""
    while True:
        state = session.history.at()
        lease = state.personal.by_name.get(name)
        if state.seq >= seq and lease is not None and lease.state == "held":
            return lease
        if state.seq >= seq and lease is None:
            rows = session.history.reader.rows(after=seq, kinds=[LeaseEnded.kind()])
            ended = next((it.event for it in rows if getattr(it.event, "lease", "") == name), None)
            tried = "; ".join(f"{it.option}: {it.reason}" for it in getattr(ended, "rejected", ()))
            raise ProblemError(
                f"no port of the range is free for {name}", found=tried or "none", kind="no-free-port",
                next_step="name a wider range with --prefer, or `nexus release` another lease",
            )  # fmt: skip
        pause()


def _run(name: str, port: int, command: list[str]) -> int:
    environment = {**os.environ, "PORT": str(port), "NEXUS_LEASE": name}
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except OSError as error:
        raise ProblemError(f"{command[0]} could not be run: {error.strerror}", kind="not-run") from error

"""An incident for somebody else: bundle."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from pathlib import Path
from typing import Annotated

import psutil
import typer

from nexus.cli import output
from nexus.cli.checks import DISTRIBUTION
from nexus.cli.options import Json, commands
from nexus.cli.output import now_micros, say
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.http.redaction import NO_LOGS, Redaction
from projections.bundles import Manifest, Wanted, pack
from projections.moments import iso
from projections.state import State

app = commands()


@app.command()
def bundle(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="OUT.zip", help="Where to.", show_default=False)],
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="Where to begin; the first event without.")] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Where to end; the present without.")] = "",
    no_logs: Annotated[bool, typer.Option("--no-logs", help="Leave out what services wrote.")] = False,
    as_json: Json = False,
) -> None:
    """Pack an interval of the history, with what services wrote, to be read elsewhere: `nexus replay OUT.zip`."""
    session: Session = context.obj
    first = session.start(start) if start else session.first
    last = session.position(end) if end else session.head
    if first > last:
        raise ProblemError(
            "nothing happened in that interval", expected=f"--from before --to, within events {session.first} to "
            f"{session.head}", found=f"--from {start or first} --to {end or 'now'}", kind="empty-interval",
        )  # fmt: skip
    mask, note = (None, "the logs were not wanted") if no_logs else _mask(session)
    version = importlib.metadata.version(DISTRIBUTION)
    wanted = Wanted(first, last, iso(now_micros()), version, mask.text if mask else None, note)
    with output.whole(file) as draft, draft.open("wb") as to:
        made = pack(session.history, wanted, to)
    if session.json:
        output.emit(made)
    else:
        _show(file, made)


def _show(file: Path, made: Manifest) -> None:
    logs = sum(name.startswith("logs/") for name in made.files)
    say(f"{file}: {made.events} events ({made.first} to {made.last}) about {', '.join(made.services) or 'no service'}")
    say(f"  {logs} logs, without secrets; head: event {made.last}, {made.head}")
    for text in (*made.notes, *made.problems):
        say(f"  {text}")


def _mask(session: Session) -> tuple[Redaction | None, str]:
    """What takes secrets out of logs, as far as they can all be known; otherwise why logs are left out."""
    if session.bundle is not None:
        return Redaction(), ""
    state = session.state()
    found = Redaction.complete(state.supervisor.path, _environment(state))
    return found, "" if found else NO_LOGS


def _environment(state: State) -> dict[str, str]:
    """The supervisor's environment, which has what the configuration refers to; ours where it does not run."""
    with contextlib.suppress(psutil.Error):
        if state.supervisor.pid:
            return {**os.environ, **psutil.Process(state.supervisor.pid).environ()}
    return dict(os.environ)

"""Whether all is well with Nexus itself: verify, doctor and version."""

from __future__ import annotations

import importlib.metadata
import platform
import sqlite3
import sys
from pathlib import Path

import msgspec
import typer

from events import samples
from events.catalog import Event, SamplesRetired, SamplesSealed
from events.verify import Verification
from events.verify import verify as verified
from nexus.cli import output
from nexus.cli.checks import DISTRIBUTION, Check, checks
from nexus.cli.options import Json, commands
from nexus.cli.output import paint, say
from nexus.cli.session import Session
from nexus.config.errors import ConfigurationError
from projections.moments import iso

app = commands()
TOLD_EVERY = 100_000


@app.command()
def verify(context: typer.Context, as_json: Json = False) -> None:
    """Check that no event and no sealed hour of samples was changed, lost or put in between."""
    session: Session = context.obj
    assert session.history is not None
    found = verified(session.home, None if session.json or output.width() is None else _progress)
    if problems := samples.verify(session.home, _of_samples(session)):
        found = msgspec.structs.replace(found, ok=False, problems=(*found.problems, *problems))
    if session.json:
        output.emit(_as_json(found))
    else:
        _show(found)
    if not found.ok:
        raise typer.Exit(1)


def _of_samples(session: Session) -> list[Event]:
    """What the log says of the samples beside it."""
    kinds = (SamplesSealed.kind(), SamplesRetired.kind())
    return [it.recorded.event for it in session.history.reader.rows(kinds=kinds)]


def _progress(count: int) -> None:
    if count % TOLD_EVERY == 0:
        print(f"\r{count} events", end="", file=sys.stderr, flush=True)


def _as_json(found: Verification) -> dict[str, object]:
    head = {"seq": found.head.seq, "at": iso(found.head.at), "hash": found.head.hash.hex()}
    return {
        "ok": found.ok, "files": found.files, "events": found.events, "head": head, "problems": found.problems,
    }  # fmt: skip


def _show(found: Verification) -> None:
    for problem in found.problems:
        say(f"{paint('fail')}: {problem}")
    word = paint("whole", "green") if found.ok else paint("not whole", "red")
    files = f"{len(found.files)} file" + ("" if len(found.files) == 1 else "s")
    say(f"the history is {word}: {found.events} events in {files}")
    say(f"  head: event {found.head.seq}, {found.head.hash.hex()}")


@app.command()
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Look for known causes of trouble."""
    session: Session = context.obj
    try:
        home: Path | None = session.home
    except ConfigurationError:
        home = None
    found: list[Check] = []
    for check in checks(Path.cwd(), home):
        found.append(check)
        if not session.json:
            say(f"{paint(f'{check.result:<4}', output.COLOURS[check.result])}  {check.name}: {check.found}")
            if check.advice:
                say(f"      {check.advice}")
    ok = all(check.result != "fail" for check in found)
    if session.json:
        output.emit({"ok": ok, "checks": found})
    if not ok:
        raise typer.Exit(1)


@app.command()
def version(context: typer.Context, as_json: Json = False) -> None:
    """Show which version this is."""
    session: Session = context.obj
    found = {
        "version": importlib.metadata.version(DISTRIBUTION),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
    }
    session.told(found, "nexus {version} (Python {python}, SQLite {sqlite}, {platform})".format(**found))

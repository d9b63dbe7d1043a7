"""Starting: `nexus up`, in the foreground or detached, and the supervisor itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from events.files import LOCK
from events.lock import holder
from nexus.cli import output
from nexus.cli.channel import ask_plan, running_pid
from nexus.cli.follow import pause
from nexus.cli.here import Beside, supervise_beside
from nexus.cli.logs import Tail
from nexus.cli.options import Json, commands
from nexus.cli.output import paint, say
from nexus.cli.problems import ProblemError
from nexus.cli.reload import in_words
from nexus.cli.session import Session
from nexus.cli.waiting import Wish, tell_failures
from nexus.config.files import FILE_NAME, Configuration, find, home_for, load, make_home
from nexus.config.importers.discovery import discover
from nexus.platforms.detach import ended, is_alive, start_detached
from nexus.platforms.filesystems import network_file_system
from projections import views
from projections.conditions import ALIVE, is_internal
from projections.history import History
from projections.state import State

app = commands()
OUTPUT = "supervisor.log"
LINES_SHOWN = 10

File = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="The configuration; nexus.toml here or above.", show_default=False),
]


@app.command()
def up(
    context: typer.Context,
    file: File = None,
    detached: Annotated[bool, typer.Option("-d", "--detach", help="Return once everything runs.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="SERVICE", help="Only this service and what it needs.")
    ] = None,
    profile: Annotated[
        list[str] | None, typer.Option("--profile", metavar="NAME", help="Start what is declared for this profile too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Start every service, each when what it needs is ready."""
    session: Session = context.obj
    configuration = _configured(session, file)
    services = list(dict.fromkeys(only or []))
    _refuse_unknown(configuration, services)
    for note in configuration.notes:
        print(f"nexus: {note}", file=sys.stderr)
    arguments = {"profiles": ",".join(profile)} if profile else None
    wish = Wish(session.home, "up", services, session.json, arguments)
    pid = running_pid(session.home)
    if pid is None and not detached:
        _in_the_foreground(session, wish, configuration.path)
        return
    if pid is None:
        _detach(session.home, configuration.path)
    else:
        _refuse_other_file(session.home, configuration.path, pid)
        plan = ask_plan(session.home)
        if plan.changed and not session.json:
            say("\n".join(in_words(plan)))
    wish.submit()
    state = wish.wait()
    raise typer.Exit(_conclude(session, wish, state))


@app.command(hidden=True)
def supervise(context: typer.Context, file: Annotated[Path, typer.Option("--file")]) -> None:
    """Supervise in this process until a shutdown is completed."""
    session: Session = context.obj
    session.supervise(session.home, file)


def _configured(session: Session, file: Path | None) -> Configuration:
    """The configuration that is to run, read whole; its home is made and becomes the session's."""
    named = find(Path.cwd()) if file is None else file
    path = None if named is None else named / FILE_NAME if named.is_dir() else named
    path = _recorded(session) if path is None else path.absolute()
    home = home_for(path, session.override)
    configuration = load(path)
    make_home(home, network_file_system(home))
    session.home = home
    return configuration


def _recorded(session: Session) -> Path:
    """The configuration that a named home was last used with."""
    path = History(session.override).at().supervisor.path if session.override else ""
    if path:
        return Path(path)
    found = [imported.source.name for imported in discover(Path.cwd())]
    make = [f"make one of {found[0]} with `nexus import {found[0]}`"] if found else []
    raise ProblemError(
        "there is no nexus.toml here",
        expected=f"nexus.toml in {Path.cwd()} or above it",
        next_step=", or ".join(["name a file with `nexus up FILE`", *make, "write a first one with `nexus init`"]),
        kind="no-configuration",
    )


def _refuse_unknown(configuration: Configuration, services: list[str]) -> None:
    for name in services:
        if name not in configuration.declared:
            known = ", ".join(configuration.declared) or "none"
            raise ProblemError(f"there is no service {name!r}", expected=known, found=name, kind="no-such-service")


def _refuse_other_file(home: Path, path: Path, pid: int) -> None:
    used = History(home).at().supervisor.path
    if used and Path(used) != path:
        raise ProblemError(
            f"a supervisor (pid {pid}) runs here with another configuration",
            expected=used,
            found=str(path),
            next_step="end it with `nexus down`, or name another home with --home",
            kind="other-configuration",
        )


# -- detached --------------------------------------------------------------------------------------


def _detach(home: Path, file: Path) -> None:
    """Start a supervisor that outlives us; returns once it answers, raises ProblemError with what it said otherwise."""
    log = Tail(home / OUTPUT, OUTPUT)
    log.last(0)
    argv = [sys.executable, "-m", "nexus.main", "--home", str(home), "supervise", "--file", str(file)]
    pid = start_detached(argv, home / OUTPUT)
    while running_pid(home) is None:
        code = ended(pid)
        if code is not None and not _starts_elsewhere(home) and running_pid(home) is None:
            said = "\n".join(list(log.more())[-LINES_SHOWN:])
            raise ProblemError(
                f"the supervisor ended with code {code} before it answered",
                found=said or "no message",
                next_step=f"see {home / OUTPUT}; `nexus doctor` looks for known causes",
                kind="not-started",
            )
        pause()


def _starts_elsewhere(home: Path) -> bool:
    """Whether another supervisor, started at the same time, has the lock and will answer soon."""
    pid = holder(home / LOCK)
    return pid is not None and is_alive(pid)


# -- in the foreground -----------------------------------------------------------------------------


class Foreground(Beside):
    """Tells what happens for as long as the supervisor lives."""

    code = 0

    def __init__(self, session: Session, wish: Wish) -> None:
        super().__init__(wish)
        self.session = session

    def settled(self, state: State) -> None:
        """Say where to look, then go on telling; where nothing runs, there is nothing to supervise."""
        self.code = _conclude(self.session, self.wish, state)
        if not _anything_runs(state):
            self.wish.verb = "down"
            self.wish.submit()
        elif not self.session.json:
            say("Ctrl-C stops everything; a second one leaves the services running")
        while not self.ended.is_set():
            self.wish.tell()
            pause()
        self.wish.tell()


def _anything_runs(state: State) -> bool:
    return any(
        instance.state in ALIVE
        for instance in state.services.instances.values()
        if not is_internal(state, instance.service)
    )


def _in_the_foreground(session: Session, wish: Wish, file: Path) -> None:
    beside = Foreground(session, wish)
    state = supervise_beside(session, beside, file)
    left = len(state.services.runs)
    if not session.json:
        say(f"the supervisor ended; {left} still running" if left else "everything is stopped")
    raise typer.Exit(beside.code)


# -- the last line ---------------------------------------------------------------------------------


def _conclude(session: Session, wish: Wish, state: State) -> int:
    """Say what became of it and where to look; returns the exit code."""
    failures = wish.failures(state)
    shown = views.status(state, state.at)
    if session.json:
        output.emit({"seq": wish.seq, "done": not failures, "url": shown.url, "problems": dict(failures)})
        return 1 if failures else 0
    tell_failures(session.home, state, failures)
    wished = wish.wished(state)
    running = sum(1 for name in wished if shown.services[name].state == "running")
    where = [*([paint(shown.url, "bold")] if shown.url else []), "`nexus status`"]
    say(f"{running} of {len(wished)} running: {' · '.join(where)}")
    return 1 if failures else 0

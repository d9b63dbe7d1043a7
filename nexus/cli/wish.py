"""What people ask of a supervisor: start, stop, restart, pause, resume, down, detach."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from nexus.cli import output
from nexus.cli.channel import running_pid
from nexus.cli.here import supervised_here
from nexus.cli.options import Json, NoWait, Services, commands
from nexus.cli.output import say
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.cli.story import known_service
from nexus.cli.waiting import Wish, tell_failures
from projections.conditions import is_internal
from projections.state import State

app = commands()
ENDS = {
    "start": "running", "restart": "running", "resume": "running", "pause": "paused", "stop": "stopped",
    "down": "everything is stopped", "scale": "as many as asked for", "signal": "told",
}  # fmt: skip
"""What a wish that was fulfilled has come to."""


@app.command()
def start(context: typer.Context, services: Services, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Start services and everything they need."""
    _wish(context.obj, "start", services, no_wait)


@app.command()
def stop(context: typer.Context, services: Services, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Stop services, after everything that needs them."""
    _wish(context.obj, "stop", services, no_wait)


@app.command()
def restart(
    context: typer.Context,
    services: Services,
    rolling: Annotated[
        bool, typer.Option("--rolling", help="One instance after the other, each once the one before is well.")
    ] = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Stop services and start them again."""
    _wish(context.obj, "restart", services, no_wait, {"rolling": True} if rolling else None)


@app.command()
def signal(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service.", show_default=False)],
    name: Annotated[
        str, typer.Argument(metavar="[SIGNAL]", help="HUP, USR1 …; its reload_signal without.", show_default=False)
    ] = "",
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Send a signal to the process of a service, for instance to let it read its own settings anew."""
    session: Session = context.obj
    known = known_service(session, service)
    wanted = name.upper().removeprefix("SIG") or session.state().services.declared[known].reload_signal
    if not wanted:
        raise ProblemError(
            f"{known} has no reload_signal", expected="the name of a signal",
            next_step=f"name one: `nexus signal {known} HUP`, or add reload_signal to nexus.toml", kind="no-signal",
        )  # fmt: skip
    _wish(session, "signal", [known], no_wait, {"signal": wanted})


@app.command()
def pause(context: typer.Context, services: Services, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Let services and everything they started stand still; they are not checked meanwhile."""
    _wish(context.obj, "pause", services, no_wait)


@app.command()
def resume(context: typer.Context, services: Services, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Let paused services go on."""
    _wish(context.obj, "resume", services, no_wait)


@app.command()
def scale(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service.", show_default=False)],
    instances: Annotated[int, typer.Argument(metavar="N", help="How many instances it is to have.", min=1, max=1000)],
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Let a service have so many instances, until its `instances` in nexus.toml change."""
    _wish(context.obj, "scale", [service], no_wait, {"instances": instances})


@app.command()
def down(
    context: typer.Context,
    keep_running: Annotated[
        bool, typer.Option("--keep-running", help="End the supervisor alone; a later `nexus up` takes over again.")
    ] = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Stop every service, dependents first, then the supervisor."""
    _wish(context.obj, "detach" if keep_running else "down", [], no_wait)


@app.command()
def detach(context: typer.Context, no_wait: NoWait = False, as_json: Json = False) -> None:
    """End the supervisor and leave the services running."""
    _wish(context.obj, "detach", [], no_wait)


def _wish(
    session: Session,
    verb: str,
    names: list[str],
    no_wait: bool,
    arguments: Mapping[str, str | int | float] | None = None,
) -> None:
    if session.remote and verb in ("start", "stop", "restart"):
        from nexus.cli import far

        far.wish(session, verb, names, no_wait)
        return
    state = session.state()
    services = list(dict.fromkeys(known for name in names for known in _members(session, name)))
    pid = running_pid(session.home)
    if pid is None and (verb == "detach" or (verb == "down" and not state.services.runs)):
        session.told({"seq": state.seq, "done": True}, "no supervisor runs here, and nothing to stop")
        return
    wish = Wish(session.home, verb, services, session.json, arguments)
    if pid is None:
        final = supervised_here(session, wish, _file_of(state))
    else:
        wish.submit()
        if no_wait:
            session.told({"seq": wish.seq, "done": False}, f"recorded as event {wish.seq}")
            return
        final = wish.wait()
    _conclude(session, wish, final, unwatched=pid is None and verb != "down")


def _members(session: Session, name: str) -> list[str]:
    """The services that a name means: `@web` is every one of the group web."""
    if not name.startswith("@"):
        return [known_service(session, name)]
    declared = session.state().services.declared.values()
    found = [it.name for it in declared if name[1:] in it.groups]
    if not found:
        groups = sorted({f"@{group}" for it in declared for group in it.groups})
        raise ProblemError(
            f"there is no group {name!r}", expected=", ".join(groups) or "a service with `groups` in nexus.toml",
            found=name, kind="no-such-group",
        )  # fmt: skip
    return found


def _file_of(state: State) -> Path:
    """The configuration that the last supervisor used."""
    if state.supervisor.path and Path(state.supervisor.path).is_file():
        return Path(state.supervisor.path)
    raise ProblemError(
        "no supervisor runs here, and its configuration is gone",
        expected=state.supervisor.path or "nexus.toml",
        next_step="name the file with `nexus up FILE`",
        kind="no-configuration",
    )


def _conclude(session: Session, wish: Wish, state: State, unwatched: bool) -> None:
    failures = wish.failures(state)
    if session.json:
        output.emit({"seq": wish.seq, "done": not failures, "problems": dict(failures)})
    elif failures:
        tell_failures(session.home, state, failures, wish.verb)
    elif wish.verb == "detach":
        left = sum(1 for name in state.services.runs.values() if not is_internal(state, name.rpartition(".")[0]))
        say(f"the supervisor ended; {left} still running" if left else "the supervisor ended")
    else:
        say(f"{', '.join(wish.services)}: {ENDS[wish.verb]}" if wish.services else ENDS[wish.verb])
    if unwatched and not session.json:
        say("no supervisor runs: nobody watches the services; `nexus up -d` does")
    if failures:
        raise typer.Exit(1)

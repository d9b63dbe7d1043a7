"""The `nexus` command: its commands are loaded when they are typed, so that each starts quickly."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from nexus.cli.problems import ProblemError, as_problem, only_local, report
from nexus.cli.session import Session, Supervise


def _status() -> typer.Typer:
    from nexus.cli.status import app

    return app


def _run() -> typer.Typer:
    from nexus.cli.run import app

    return app


def _wish() -> typer.Typer:
    from nexus.cli.wish import app

    return app


def _reload() -> typer.Typer:
    from nexus.cli.reload import app

    return app


def _logs() -> typer.Typer:
    from nexus.cli.logs import app

    return app


def _story() -> typer.Typer:
    from nexus.cli.story import app

    return app


def _explain() -> typer.Typer:
    from nexus.cli.explain import app

    return app


def _replay() -> typer.Typer:
    from nexus.cli.replay import app

    return app


def _ports() -> typer.Typer:
    from nexus.cli.ports import app

    return app


def _resources() -> typer.Typer:
    from nexus.cli.resources import app

    return app


def _endpoints() -> typer.Typer:
    from nexus.cli.endpoints import app

    return app


def _leases() -> typer.Typer:
    from nexus.cli.leases import app

    return app


def _incidents() -> typer.Typer:
    from nexus.cli.incidents import app

    return app


def _patterns() -> typer.Typer:
    from nexus.cli.patterns import app

    return app


def _web() -> typer.Typer:
    from nexus.cli.web import app

    return app


def _care() -> typer.Typer:
    from nexus.cli.care import app

    return app


def _tables() -> typer.Typer:
    from nexus.cli.tables import app

    return app


def _bundle() -> typer.Typer:
    from nexus.cli.bundle import app

    return app


def _setup() -> typer.Typer:
    from nexus.cli.setup import app

    return app


COMMANDS: dict[str, Callable[[], typer.Typer]] = {
    "up": _run, "down": _wish, "status": _status, "start": _wish, "stop": _wish, "restart": _wish, "pause": _wish,
    "resume": _wish, "scale": _wish, "signal": _wish, "reload": _reload, "detach": _wish,
    "logs": _logs, "events": _story, "decisions": _story, "explain": _explain, "replay": _replay, "alerts": _status,
    "incidents": _incidents, "mark": _incidents, "unmark": _incidents,
    "resources": _resources,
    "endpoints": _endpoints, "route": _endpoints,
    "ports": _ports, "lease": _leases, "release": _leases, "graph": _status, "open": _web, "token": _web,
    "query": _tables, "export": _tables, "rebuild": _tables, "bundle": _bundle,
    "patterns": _patterns,
    "verify": _care, "doctor": _care,
    "init": _setup, "discover": _setup, "import": _setup,
    "version": _care, "supervise": _run,
}  # fmt: skip
"""Every command and the module that has it, in the order of the help."""

ON_BUNDLES = (
    "status", "logs", "events", "decisions", "explain", "replay", "alerts", "incidents", "resources", "endpoints",
    "route", "ports", "lease", "graph", "query", "export", "bundle", "verify", "version",
)  # fmt: skip
"""The commands that read the history, and so a bundle too."""


FAR = frozenset({
    "status", "start", "stop", "restart", "logs", "events", "decisions", "explain", "alerts", "ports", "lease",
    "release", "graph", "version",
})  # fmt: skip
"""What works with `--remote`."""


class Commands(TyperGroup):
    """Loads a command when it is asked for, and turns what went wrong into one clear text."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        load = COMMANDS.get(cmd_name)
        return get_group(load()).commands[cmd_name] if load else None

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            problem = as_problem(error)
            if problem is None:
                raise
            report(problem, isinstance(ctx.obj, Session) and ctx.obj.json)
            raise typer.Exit(1) from error


def make_app(supervise: Supervise) -> typer.Typer:
    """The command line; `supervise` is what `nexus up` runs."""
    app = typer.Typer(
        cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip

    @app.callback()
    def nexus(
        context: typer.Context,
        home: Annotated[
            Path | None,
            typer.Option(
                envvar="NEXUS_HOME",
                metavar="DIR",
                help="Where the history is kept, .nexus beside nexus.toml; or a bundle.",
            ),
        ] = None,
        remote: Annotated[
            Path | None,
            typer.Option(envvar="NEXUS_REMOTE", metavar="FILE", help="The key to the Nexus of another machine."),
        ] = None,
        directory: Annotated[
            Path | None, typer.Option("-C", metavar="DIR", help="Work as if nexus was started in this folder.")
        ] = None,
    ) -> None:
        """Run the services of this machine, and know what happened and why."""
        if home is not None:
            home = home.expanduser().absolute()
        if directory is not None:
            _change_to(directory)
        if remote and context.invoked_subcommand not in FAR:
            raise only_local(remote)
        context.obj = session = Session(supervise, home, remote.expanduser().absolute() if remote else None)
        context.call_on_close(session.close)
        if context.invoked_subcommand not in ON_BUNDLES:
            session.refuse_bundle(context.invoked_subcommand or "")

    return app


def _change_to(directory: Path) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise ProblemError(f"can't work in {directory}", expected="a folder", found=found, kind="no-folder") from error

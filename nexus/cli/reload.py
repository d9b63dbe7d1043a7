"""`nexus reload`: a changed nexus.toml, first as a plan, then applied to what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from events.catalog import ConfigurationLoaded
from nexus.cli import output
from nexus.cli.channel import ask_plan, running_pid
from nexus.cli.options import Json, commands
from nexus.cli.output import say
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.cli.waiting import Wish, tell_failures
from nexus.config.files import find, load
from nexus.config.sealing import sealed
from projections.changes import Plan, plan
from projections.conditions import is_internal

app = commands()
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]


@app.command()
def reload(context: typer.Context, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Apply a changed nexus.toml: show the plan, then touch only what changed."""
    session: Session = context.obj
    pid = running_pid(session.home)
    if pid is None and not dry_run:
        raise ProblemError(
            "no supervisor runs here", next_step="start one with `nexus up -d`: it reads the file", kind="no-supervisor"
        )
    planned = _planned(session) if pid is None else ask_plan(session.home)
    if dry_run:
        session.told(planned, "\n".join(in_words(planned)))
        return
    if not session.json:
        say("\n".join(in_words(planned)))
    wish = Wish(session.home, "reload", quiet=session.json)
    wish.submit()
    state = wish.wait()
    failures = wish.failures(state)
    if session.json:
        output.emit({"seq": wish.seq, "done": not failures, "problems": dict(failures), "plan": planned})
    else:
        tell_failures(session.home, state, failures)
    if failures:
        raise typer.Exit(1)


def in_words(plan: Plan) -> list[str]:
    """A line for each step."""
    if not plan.changed:
        return [f"{plan.file}: nothing has changed"]
    width = max((len(step.service) for step in plan.steps), default=0)
    return [f"{step.service:<{width}}  {step.action}: {step.why}" for step in plan.steps] or ["no service changes"]


def _planned(session: Session) -> Plan:
    """The same where no supervisor runs; the parts of Nexus itself stay out of it."""
    state = session.state()
    configuration = load(find(Path.cwd()) or Path(state.supervisor.path))
    parts = {name: it for name, it in state.services.declared.items() if is_internal(state, name)}
    services = {**sealed(configuration, session.home), **parts}
    steps = plan(state.services, ConfigurationLoaded(project=configuration.project, services=services))
    return Plan(str(configuration.path), bool(steps), steps)

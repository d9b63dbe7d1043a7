"""What is running: status, alerts and the graph of dependencies."""

from __future__ import annotations

from typing import Annotated

import typer

from events import samples
from events.envelope import Micros
from nexus.cli import output
from nexus.cli.options import At, Json, commands
from nexus.cli.output import duration, paint, say, table
from nexus.cli.resources import cores, size
from nexus.cli.session import Session
from projections import alert_views, resource_views, views
from projections.moments import micros_of
from projections.state import State

app = commands()
DASH = "–"


@app.command()
def status(
    context: typer.Context,
    with_resources: Annotated[bool, typer.Option("--resources", help="Show processor and memory too.")] = False,
    at: At = "",
    as_json: Json = False,
) -> None:
    """Show what every service does, and what is wrong with it."""
    session: Session = context.obj
    show_status(session, at, with_resources)


def show_status(session: Session, at: str = "", with_resources: bool = False) -> None:
    """Print the status of a moment, by default of now."""
    shown = session.source.status(session.when(at))
    now = micros_of(shown.at)
    if session.json:
        output.emit(shown)
        return
    say(_headline(shown, now, past=bool(at) or session.bundle is not None))
    if shown.refused:
        say(paint(f"nexus.toml was changed and can't be used: {shown.refused}", "yellow"))
    if not shown.services:
        say("no services are declared")
        return
    say()
    headers, rows = _rows(shown, now)
    if with_resources:
        headers, rows = _with_resources(session, session.state(at), headers, rows, now=not at)
    for line in table(headers, rows):
        print(line)
    _say_reasons(shown)
    _say_alerts(session.source.alerts(session.when(at)) if shown.alerts else None)


def _headline(shown: views.Status, now: Micros, past: bool) -> str:
    parts = [paint(shown.project or "nexus", "bold")]
    supervisor = shown.supervisor
    if past:
        parts.append(f"as it was at {output.clock(now)}")
    elif supervisor is None:
        parts.append("no supervisor runs; `nexus up -d` starts one")
    elif not supervisor.alive:
        parts.append(paint(f"the supervisor (pid {supervisor.pid}) is gone; `nexus up -d` takes over again", "yellow"))
    else:
        up = duration((now - micros_of(supervisor.started_at)) / 1e6)
        parts.append(f"supervised by pid {supervisor.pid} for {up}")
    parts += [f"event {shown.seq}", *filter(None, [shown.url, shown.gateway and f"gateway {shown.gateway}"])]
    return " · ".join(parts)


def _rows(shown: views.Status, now: Micros) -> tuple[list[str], list[list[str]]]:
    headers = ["SERVICE", "STATE", "HEALTH", "PORT", "PID", "RESTARTS", "SINCE"]
    rows = []
    for name, service in shown.services.items():
        for it in service.instances:
            label = name if len(service.instances) == 1 else it.name
            health = it.health if it.pid and it.health != "unknown" else DASH
            ports = " ".join(str(port) for port in it.ports.values()) or DASH
            rows.append([label, it.state, health, ports, str(it.pid or DASH), str(it.restarts), _ago(it.since, now)])
    return headers, rows


def _with_resources(
    session: Session, state: State, headers: list[str], rows: list[list[str]], now: bool
) -> tuple[list[str], list[list[str]]]:
    """The same with processor and memory of the last second, in the past of the last minute that was measured."""
    last = samples.latest(session.home, output.now_micros()) if now else {}
    used = resource_views.resources(state, last, "nexus").services
    for row in rows:
        it = used.get(row[0], used.get(row[0].rpartition(".")[0], {}))
        one = it.get(row[0]) or next(iter(it.values()), None)
        minute, second = (one.minute, one.now) if one else (None, None)
        memory = second.memory_bytes if second else minute.memory_mean_bytes if minute else None
        row[-1:-1] = [cores(second.cpu if second else minute.cpu_mean if minute else None), size(memory)]
    return [*headers[:-1], "CPU", "MEMORY", headers[-1]], rows


def _ago(since: str | None, now: Micros) -> str:
    if since is None:
        return DASH
    return duration(max(0, now - micros_of(since)) / 1e6)


def _say_reasons(shown: views.Status) -> None:
    reasons = [(name, service.why) for name, service in shown.services.items() if service.why]
    if reasons:
        say()
    for name, why in reasons:
        say(f"{name}: {why}")


def _say_alerts(found: alert_views.AlertsView | None) -> None:
    if found:
        say()
    for alert in found.alerts if found else []:
        say(f"{paint(alert.severity)}: {alert.message} (event {alert.decision})")
        if alert.advice:
            say(f"  {alert.advice}")


@app.command()
def alerts(context: typer.Context, at: At = "", as_json: Json = False) -> None:
    """Show what somebody ought to know and what to do about it."""
    session: Session = context.obj
    shown = session.source.alerts(session.when(at))
    if session.json:
        output.emit(shown)
    elif not shown.alerts:
        say("no alerts")
    for alert in [] if session.json else shown.alerts:
        say(f"{paint(alert.severity)}: {alert.message}")
        say(
            f"  since {output.clock(micros_of(alert.since))} (`nexus explain {alert.decision}`)"
            + (f"; {alert.advice}" if alert.advice else "")
        )


@app.command()
def graph(context: typer.Context, at: At = "", as_json: Json = False) -> None:
    """Show which service needs which."""
    session: Session = context.obj
    shown = session.source.graph(session.when(at))
    if session.json:
        output.emit(shown)
        return
    edges: dict[str, list[views.EdgeView]] = {}
    for edge in shown.edges:
        edges.setdefault(edge.service, []).append(edge)
    for node in shown.nodes:
        say(f"{node.name} ({paint(node.state)})")
        for edge in edges.get(node.name, []):
            missing = "" if edge.met else paint(", which it is not", "yellow")
            say(f"  needs {edge.needs} to be {edge.condition}{missing}")

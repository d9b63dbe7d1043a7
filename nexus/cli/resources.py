"""What everything uses, now or at a past moment, and what a service used over time."""

from __future__ import annotations

from typing import Annotated

import typer

from events import samples
from events.envelope import Micros
from nexus.cli import output
from nexus.cli.options import At, Json, commands
from nexus.cli.output import say, table
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from projections import resource_views
from projections.conditions import instances_of
from projections.resource_views import Figures, InstanceUsageView, ResourcesView
from projections.views import service_names

app = commands()
DASH = "–"
OURSELVES = "nexus"
POINTS = 20
STRETCH = 600_000_000
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@app.command()
def resources(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="[SERVICE]", help="A service, over time.", show_default=False)] = "",
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="From when on; 10 minutes by default.")] = "",
    points: Annotated[int, typer.Option("--points", metavar="N", min=1, max=2000, help="In how many points.")] = POINTS,
    at: At = "",
    as_json: Json = False,
) -> None:
    """Show what every service uses with all that it started, or what one used over time."""
    session: Session = context.obj
    if service:
        _series(session, service, since, points, at)
        return
    if since:
        raise ProblemError("--since is for one service", next_step="name it: `nexus resources SERVICE --since …`")
    state = session.state(at)
    now = {} if at else samples.latest(session.home, output.now_micros())
    shown = resource_views.resources(state, now, OURSELVES)
    if session.json:
        output.emit(shown)
    else:
        _show(shown)


def _show(shown: ResourcesView) -> None:
    rows = [
        _row(name, it)
        for instances in shown.services.values()
        for name, it in instances.items()
        if it.minute or it.now
    ]  # fmt: skip
    if not rows:
        say("nothing has been measured yet")
        return
    headers = ["INSTANCE", "CPU", "CPU/MIN", "MEMORY", "OWN", "PROCESSES", "THREADS", "FILES", "READ/S", "WRITTEN/S"]
    for line in table(headers, [*rows, _row("Nexus itself", shown.supervisor)]):
        print(line)
    if machine := shown.machine:
        free, total = size(machine.memory_available_bytes), size(machine.memory_total_bytes)
        disks = ", ".join(f"{size(it.free_bytes)} free at {folder}" for folder, it in machine.disks.items())
        say(f"machine: {machine.cpu:.2f} of {machine.cores} cores busy, {free} of {total} memory left, {disks}")


def _row(name: str, it: InstanceUsageView) -> list[str]:
    minute, now = it.minute, it.now
    memory = now.memory_bytes if now else minute.memory_mean_bytes if minute else None
    last = now or minute
    return [
        name, cores(now.cpu if now else None), cores(minute.cpu_mean if minute else None), size(memory),
        size(minute.own_memory_bytes if minute else None), *(
            DASH if last is None or (value := getattr(last, what)) is None else str(value)
            for what in ("processes", "threads", "files")
        ), size(now.read_bytes_s if now else None), size(now.written_bytes_s if now else None),
    ]  # fmt: skip


def cores(value: float | None) -> str:
    """`0.25`."""
    return DASH if value is None else f"{value:.2f}"


def size(value: float | None) -> str:
    """`512 KiB`, `3.2 GiB`."""
    if value is None:
        return DASH
    for unit in UNITS:
        if value < 1024 or unit == UNITS[-1]:
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"


def _series(session: Session, service: str, since: str, points: int, at: str) -> None:
    state = session.state(at)
    if service not in service_names(state):
        names = ", ".join(service_names(state)) or "none"
        raise ProblemError(f"there is no service {service!r}", expected=f"one of: {names}", kind="no-such-service")
    until = _moment(session, at) if at else output.now_micros()
    begin = _moment(session, since) if since else until - STRETCH
    if not begin < until:
        raise ProblemError("that time is over before it begins", expected="--since before --at", found=since)
    names_of, problems = [it.name for it in instances_of(state, service)], list[str]()
    figures = resource_views.series(samples.read(session.home, names_of, begin, until, problems), begin, until, points)
    if session.json:
        output.emit(resource_views.series_view(state, service, figures, (begin, until), points, problems))
        return
    for problem in problems:
        say(f"not all could be read: {problem}")
    if not figures:
        say(f"nothing is known of {service} in that time")
    for name, columns in figures.items():
        say(name)
        for line in table(["FROM", "CPU", "CPU MAX", "MEMORY", "MEMORY MAX"], _points(columns, begin, until)):
            print(line)


def _points(columns: dict[str, Figures], begin: Micros, until: Micros) -> list[list[str]]:
    cpu, memory = columns["cpu"], columns["memory_bytes"]
    count = len(memory.mean)
    return [
        [
            output.clock(begin + (until - begin) * number // count), cores(cpu.mean[number]), cores(cpu.max[number]),
            size(memory.mean[number]), size(memory.max[number]),
        ]
        for number in range(count)
        if memory.mean[number] is not None
    ]  # fmt: skip


def _moment(session: Session, text: str) -> Micros:
    """The moment that a person typed, which need not be that of an event."""
    moment = session.moment(text)
    if moment.seq is None:
        return moment.at
    stored = session.history.reader.get(session.position(text))
    assert stored is not None, "the session found that position"
    return stored.at

"""Ports: who has which, and which are free."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from events.envelope import Position
from nexus.cli import output
from nexus.cli.options import At, Json, commands
from nexus.cli.output import say, table
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.policies.advice import advice_view
from nexus.policies.allocation import free_ports
from projections import views
from projections.moments import iso
from projections.port_past import PortMoment, past
from projections.state import State

app = commands()


@app.command()
def ports(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="[advise]", help="What would spare trouble with ports.")] = "",
    who: Annotated[int | None, typer.Option(metavar="PORT", min=1, max=65_535, help="Only this port.")] = None,
    free: Annotated[int, typer.Option(metavar="N", min=0, help="Name N ports that are not promised to anybody.")] = 0,
    at: At = "",
    as_json: Json = False,
) -> None:
    """Show which service has which port, and the whole past of one."""
    session: Session = context.obj
    if what not in ("", "advise"):
        raise ProblemError("nexus ports knows no such word", expected="advise", found=what, kind="usage")
    if what:
        _advise(session, session.state(at))
        return
    if free:
        _free(session, session.state(at), free)
        return
    shown = session.source.ports(session.when(at))
    if who is not None:
        shown = views.PortsView(shown.seq, shown.at, [port for port in shown.ports if port.port == who])
    before = _past(session, who, at) if who is not None else []
    if session.json:
        output.emit(shown if who is None else OnePort(shown.seq, shown.at, shown.ports, before))
    elif not shown.ports:
        say(f"port {who}: not known to Nexus" if who is not None else "no ports are leased")
    else:
        rows = [
            [str(it.port), it.state, ", ".join(it.addresses) or "–", _who(it), it.lease or "–"] for it in shown.ports
        ]
        for line in table(["PORT", "STATE", "ADDRESS", "OWNER", "LEASE"], rows):
            print(line)
    if not session.json and before:
        _tell(before)


def _past(session: Session, port: int, at: str) -> list[PortMoment]:
    if session.remote:
        return session.client.port(port, session.when(at)).past
    return past(session.history.reader, port, session.state(at).seq)


class OnePort(msgspec.Struct, frozen=True):
    """One port and its past, the newest first."""

    seq: Position
    at: str
    ports: list[views.PortView]
    past: list[PortMoment]


def _tell(moments: list[PortMoment]) -> None:
    """The past in words, the newest first."""
    print()
    for it in moments:
        because = f" · #{it.because}" if it.because else ""
        print(f"{it.at[:19].replace('T', ' ')}  #{it.seq}  {it.summary}")
        if it.why:
            print(f"{'':21}{it.why}{because}")


def _advise(session: Session, state: State) -> None:
    found = advice_view(state)
    if session.json:
        output.emit(found)
        return
    for it in found.advice:
        print(f"{it.port}  {it.subject}: {it.problem}\n       {it.next_step}")
    if not found.advice:
        say("nothing to advise")
    print(f"free: {', '.join(str(it.port) for it in found.free) or 'none'}")


def _who(port: views.PortView) -> str:
    return ", ".join(
        f"{owner.instance or owner.command or 'unknown'}" + (f" (pid {owner.pid})" if owner.pid else "")
        for owner in port.owners
    ) or "–"  # fmt: skip


def _free(session: Session, state: State, count: int) -> None:
    found = free_ports(state, count)
    if len(found) < count:
        pool = state.supervisor.pool
        raise ProblemError(
            f"the pool has only {len(found)} free ports",
            expected=f"{count} of {pool.first}-{pool.last}",
            found=str(len(found)),
            next_step="widen `pool` in nexus.toml",
            kind="pool-exhausted",
        )
    if session.json:
        choices = [{"port": it.port, **it.values} for it in found]
        output.emit({"seq": state.seq, "at": iso(state.at), "free": [it.port for it in found], "choices": choices})
    for choice in [] if session.json else found:
        print(f"{choice.port}  {', '.join(choice.terms) or choice.why}")

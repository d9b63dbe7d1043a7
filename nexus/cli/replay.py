"""Replay: an interval again, turn by turn; the status of a moment; and what today's policies would have decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from events.catalog import Decision
from events.envelope import Micros, Position, Recorded
from nexus.cli import output
from nexus.cli.compare import compare
from nexus.cli.follow import pause
from nexus.cli.options import At, Json, commands
from nexus.cli.output import paint, say
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.cli.status import show_status
from projections import differences, rules, story
from projections.moments import iso
from projections.state import State, evolve_all

app = commands()
LONGEST_PAUSE_SECONDS = 3600.0


class Observed(msgspec.Struct, frozen=True):
    """An observation of a turn."""

    id: Position
    kind: str
    summary: str
    cause: Position | None


class Decided(msgspec.Struct, frozen=True):
    """A decision of a turn, and why."""

    id: Position
    kind: str
    summary: str
    rule: str
    rule_in_words: str
    cause: Position | None
    rejected: tuple[dict[str, str], ...]


class Turn(msgspec.Struct, frozen=True):
    """Everything that was seen, changed and decided at one moment."""

    at: str
    first: Position
    last: Position
    observations: list[Observed]
    changes: list[str]
    decisions: list[Decided]


@app.command()
def replay(
    context: typer.Context,
    bundle: Annotated[Path | None, typer.Argument(metavar="[BUNDLE]", help="What `nexus bundle` made.")] = None,
    at: At = "",
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="Where to begin; the first event without.")] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Where to end; the present without.")] = "",
    speed: Annotated[
        float, typer.Option(metavar="X", min=0.0, help="Pause as it was, X times as fast; without: no pauses.")
    ] = 0.0,
    check: Annotated[bool, typer.Option("--check", help="Compare with what today's policies decide.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="With --check: restart.attempts_max=5, also for one SERVICE."),
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", hidden=True)] = False,
    as_json: Json = False,
) -> None:
    """Show an interval turn by turn, or what would be decided today.

    With --at it shows the status of a moment. An interval is given with --from and --to; without them all is shown.
    --check asks today's policies at every recorded turn and names each decision that would differ.
    """
    session: Session = context.obj
    session.open_bundle(bundle)
    if check or settings:
        raise typer.Exit(compare(session, settings or [], start, at or end, alone))
    if at:
        show_status(session, at)
        return
    first, last = _interval(session, start, end)
    state = session.history.at(first - 1) if first > 1 else State()
    before: Micros = 0
    for turn_at, turn, events in turns(state, session.history.reader.read(after=state.seq, until=last)):
        if speed and before:
            pause(min((turn_at - before) / 1e6 / speed, LONGEST_PAUSE_SECONDS))
        before = turn_at
        if session.json:
            output.emit(turn)
        else:
            _show(turn_at, turn, events)


def _interval(session: Session, start: str, end: str) -> tuple[Position, Position]:
    """The first and the last event of an interval, the first being the first of its turn."""
    reader = session.history.reader
    last = session.position(end) if end else session.head
    first = session.start(start) if start else session.first
    begun = reader.get(first)
    if begun is None or first > last:
        raise ProblemError(
            "nothing happened in that interval",
            expected=f"--from before --to, within events {session.first} to {session.head}",
            found=f"--from {start or session.first} --to {end or 'now'}",
            kind="empty-interval",
        )
    return reader.seq_at(begun.at - 1) + 1, last


def turns(state: State, history: Iterable[Recorded]) -> Iterator[tuple[Micros, Turn, list[Recorded]]]:
    """The turns of a history that follows `state`: the events of one moment each, with what they changed."""
    for at, group in groupby(history, key=lambda it: it.at):
        events = list(group)
        after = evolve_all(state, events)
        yield at, _turn(state, events, after), events
        state = after


def _turn(before: State, events: list[Recorded], after: State) -> Turn:
    return Turn(
        at=iso(events[0].at),
        first=events[0].seq,
        last=events[-1].seq,
        observations=[
            Observed(it.seq, it.event.kind(), story.sentence(it.event), it.cause)
            for it in events
            if not isinstance(it.event, Decision)
        ],
        changes=differences.changes(before, after),
        decisions=[
            Decided(
                it.seq, it.event.kind(), story.sentence(it.event), it.event.rule, rules.rule_in_words(it.event.rule),
                it.cause, tuple({"option": no.option, "reason": no.reason} for no in it.event.rejected),
            )
            for it in events
            if isinstance(it.event, Decision)
        ],
    )  # fmt: skip


def _show(at: Micros, turn: Turn, events: list[Recorded]) -> None:
    span = f"#{turn.first}" if turn.first == turn.last else f"#{turn.first}–{turn.last}"
    say(f"{paint(output.clock(at, exact=True), 'bold')}  {paint(span, 'dim')}")
    for seen in turn.observations:
        say(f"  seen     {seen.summary}{paint(f' (after #{seen.cause})', 'dim') if seen.cause else ''}")
    for change in turn.changes:
        say(f"  changed  {paint(change, 'cyan')}")
    for decided in turn.decisions:
        say(f"  decided  {paint(f'#{decided.id} {decided.summary}', 'yellow')}")
        say(f"           because {decided.rule_in_words} ({decided.rule}, after #{decided.cause})")
        for no in decided.rejected:
            say(f"           not: {no['option']}: {no['reason']}")
    print(flush=True)

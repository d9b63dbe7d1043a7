"""The history for other tools: query, rebuild, export."""

from __future__ import annotations

import csv
import sqlite3
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, TextIO

import typer

from events.envelope import Position
from nexus.cli import output
from nexus.cli.options import Json, commands
from nexus.cli.output import paint, say, table
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.cli.story import OfService, kinds_of, streams_of
from projections import exports
from projections.exports import Form
from projections.questions import QuestionError, ask, shown
from projections.rows import TABLES
from projections.tables import SEARCH, Tables

app = commands()
ROWS_MAX = 1_000
SECONDS_MAX = 10.0
CELL_MAX = 60
"""Columns of a cell on a terminal; files and other programs get everything."""


@app.command()
def query(
    context: typer.Context,
    sql: Annotated[
        str, typer.Argument(metavar="[SQL]", help="A SELECT; - reads it from the input; without: the tables.")
    ] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many rows at most.")] = ROWS_MAX,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.1, help="How long it may take.")] = SECONDS_MAX,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the history in SQL."""
    session: Session = context.obj
    if not sql:
        _say_tables(session)
        return
    tables = Tables(session.history)
    seq = _up_to_date(tables, lambda: tables.catch_up(_progress("tables")))
    try:
        answer = ask(tables.path, sys.stdin.read() if sql == "-" else sql, limit, seconds)
    except QuestionError as error:
        raise ProblemError(
            "the question can't be answered", expected=error.expected, found=error.found,
            next_step="`nexus query` lists the tables and their columns", kind="bad-question",
        ) from error  # fmt: skip
    if session.json:
        output.emit(shown(seq, answer))
        return
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([answer.columns, *answer.rows])
    else:
        for line in table(answer.columns, [[_cell(cell) for cell in row] for row in answer.rows]):
            print(line)
    if answer.more:
        print(f"nexus: there are more than these {len(answer.rows)} rows; see --limit", file=sys.stderr)


def _say_tables(session: Session) -> None:
    if session.json:
        output.emit({"tables": {name: {"about": it.about, "columns": list(it.columns)} for name, it in TABLES.items()}})
        return
    for name, it in TABLES.items():
        say(f"{paint(name, 'bold')}: {it.about}")
        say(f"  {', '.join(it.columns)}")
    say(f"{paint(SEARCH, 'bold')}: the words of the events, by their position.")
    say("  WHERE seq IN (SELECT rowid FROM events_fts('exited OR refused'))")


def _cell(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else "" if value is None else str(value)
    text = " ".join(text.split("\n"))
    return text if output.width() is None or len(text) <= CELL_MAX else text[: CELL_MAX - 1] + "…"


def _up_to_date(tables: Tables, bring: Callable[[], Position]) -> Position:
    try:
        return bring()
    except sqlite3.OperationalError as error:
        raise ProblemError(
            f"{tables.path} can't be written", expected="a home that this user may write to", found=str(error),
            next_step="make room, wait for another `nexus query`, or copy the home to where you may write",
            kind="no-tables",
        ) from error  # fmt: skip


def _progress(what: str) -> Callable[[Position, Position], None] | None:
    """How far it is, on a terminal; nothing for what takes no time."""
    if not sys.stderr.isatty():
        return None

    def tell(reached: Position, head: Position) -> None:
        end = "\n" if reached == head else ""
        print(f"\r{what}: event {reached} of {head}", end=end, file=sys.stderr, flush=True)

    return tell


@app.command()
def rebuild(context: typer.Context, as_json: Json = False) -> None:
    """Make everything that is derived from the log anew: the tables for SQL and the snapshots."""
    session: Session = context.obj
    history = session.history
    kept = history.rebuild(_progress("snapshots"))
    tables = Tables(history)
    seq = _up_to_date(tables, lambda: tables.rebuild(_progress("tables")))
    session.told(
        {"seq": seq, "tables": len(TABLES), "snapshots": kept},
        f"made anew from {seq} events: {len(TABLES)} tables and {kept} snapshots",
    )


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to; the output without.")] = None,
    form: Annotated[Form, typer.Option("--format", metavar="FORM", help="ndjson, csv or cloudevents.")] = "ndjson",
    kind: Annotated[str, typer.Option(metavar="KIND", help="Only this kind: run.exited, or run for all of run.*")] = "",
    service: OfService = "",
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only those that contain this text.")] = "",
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="Where to begin; the first event without.")] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Where to end; the present without.")] = "",
) -> None:
    """Write events for other programs: one JSON object a line, CSV, or CloudEvents."""
    session: Session = context.obj
    kinds, streams = kinds_of(kind), streams_of(session, service)
    after = session.start(start) - 1 if start else 0
    until = session.position(end) if end else session.head
    reader = session.history.reader
    rows = reader.rows(after, until, kinds=kinds, streams=streams, search=search)
    lines = exports.lines(form, rows, exports.log_id_of(reader))
    if file is None:
        _write(lines, sys.stdout)
        return
    count = _write_file(lines, file)
    say(f"{count - (form == 'csv')} events in {file}")


def _write_file(lines: Iterable[str], file: Path) -> int:
    with output.whole(file) as draft, draft.open("w", encoding="utf-8", newline="") as to:
        return _write(lines, to)


def _write(lines: Iterable[str], to: TextIO) -> int:
    count = 0
    for line in lines:
        to.write(line)
        count += 1
    return count

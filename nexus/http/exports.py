"""The history for other tools over the web: questions in SQL, exports, and bundles."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import io
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from events.envelope import Position
from events.reader import Reader
from nexus.http import queries
from nexus.http.commands import now_micros
from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.http.queries import AtQuery, Known, When, position
from nexus.http.redaction import NO_LOGS, Redaction
from projections import exports
from projections.bundles import Wanted, pack
from projections.exports import Form
from projections.history import History
from projections.moments import iso
from projections.questions import AnswerView, Cell, QuestionError, ask, shown

if TYPE_CHECKING:
    from projections.tables import Tables

DISTRIBUTION = "luminar-nexus"
ROWS_DEFAULT, ROWS_MAX = 100, 1_000
SECONDS_MAX = 5.0
SQL_MAX, VALUES_MAX = 20_000, 100
BUNDLE_EVENTS_MAX = 200_000
CHUNK_CHARACTERS = 65_536
SEND_SECONDS = 20.0
"""A client that takes nothing for so long is gone."""

BUNDLE_MEDIA_TYPE = "application/zip"

Value = str | int | float | bool | None


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A SELECT about the tables; `values` stand for its question marks."""

    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=SQL_MAX, examples=["SELECT * FROM services"])]
    values: Annotated[list[Value], msgspec.Meta(max_length=VALUES_MAX)] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX, description="How many rows at most.")] = ROWS_DEFAULT


class ExportQuery(AtQuery, frozen=True, forbid_unknown_fields=True):
    """Which events, in which form."""

    format: Annotated[Form, msgspec.Meta(description="The form of each event.")] = "ndjson"
    kind: Annotated[str, msgspec.Meta(description="run.exited, or run for all of run.*; several with commas.")] = ""
    service: Annotated[str, msgspec.Meta(description="Only what is about this service.")] = ""
    search: Annotated[str, msgspec.Meta(max_length=200, description="Only with this text, whatever its case.")] = ""
    since: When | None = None


class BundleQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """Which interval: the whole history without."""

    start: When | None = None
    end: When | None = None


# -- in a reader process ---------------------------------------------------------------------------


@functools.cache
def _tables(home: Path) -> Tables:
    from projections.tables import Tables  # only the reader process needs what it takes to write tables

    return Tables(History(home))


def question(known: Known, asked: Asked[Nothing, Nothing]) -> AnswerView:
    """The answer to a question in SQL, up to the present; raises Problem."""
    wanted: Question = asked.body
    tables = _tables(known.home)
    values: list[Cell] = list(wanted.values)
    try:
        seq = tables.catch_up()
        return shown(seq, ask(tables.path, wanted.sql, wanted.limit, SECONDS_MAX, values))
    except QuestionError as error:
        raise Problem(422, "the question", error.expected, error.found[:500], "Mend the SQL.") from error
    except sqlite3.OperationalError as error:
        raise Problem(503, "the tables", "a home that can be written", str(error), "See `nexus query`.") from error


def bundle(known: Known, asked: Asked[Nothing, BundleQuery]) -> bytes:
    """A bundle of an interval; raises Problem 400 or 404."""
    history, query = History(known.home), asked.query
    with history.reader as reader:
        first = history.first if query.start is None else _first(reader, query.start)
        last = known.state.seq if query.end is None else position(reader, query.end, "to")
        if not history.first <= first <= last:
            raise Problem(
                404, "that interval", "`from` before `to`, with events", "none", "GET /api/events lists them."
            )
        if last - first >= BUNDLE_EVENTS_MAX:
            raise Problem(
                400, "the interval", f"at most {BUNDLE_EVENTS_MAX} events", f"{last - first + 1}",
                "Ask for less, or use `nexus bundle`.",
            )  # fmt: skip
        mask = Redaction.complete(known.state.supervisor.path, os.environ)
        to = io.BytesIO()
        wanted = Wanted(
            first, last, iso(now_micros()), importlib.metadata.version(DISTRIBUTION),
            mask.text if mask else None, "" if mask else NO_LOGS,
        )  # fmt: skip
        pack(history, wanted, to)
    return to.getvalue()


def _first(reader: Reader, text: str) -> Position:
    """The first event from a moment on."""
    found = position(reader, text, "from")
    stored = reader.get(found)
    return found if stored is not None and text.strip().isdigit() else found + 1


# -- streamed --------------------------------------------------------------------------------------


class Export(StreamingResponse):
    """Events as long as somebody takes them."""

    async def stream_response(self, send: Send) -> None:
        async def timed(message: object) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)  # type: ignore[arg-type]

        await super().stream_response(timed)


def export(reader: Reader, seq: Position, query: ExportQuery) -> Response:
    """The events up to `seq`; raises Problem 400 or 404."""
    kinds = queries.kinds_of(query.kind)
    after = 0 if query.since is None else position(reader, query.since, "since")
    rows = reader.rows(
        after, seq, kinds=kinds or (), streams=[f"service/{query.service}"] if query.service else (),
        search=query.search,
    )  # fmt: skip
    found = iter(()) if kinds == set() or after >= seq else rows
    name = f"events-{seq}.{'csv' if query.format == 'csv' else 'ndjson'}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Nexus-Position": str(seq)}
    lines = exports.lines(query.format, found, exports.log_id_of(reader))
    return Export(_chunks(lines), 200, headers, exports.MEDIA_TYPES[query.format])


async def _chunks(lines: Iterator[str]) -> AsyncIterator[str]:
    """Some of the lines at a time, each read in a thread: the loop waits for nobody."""

    def some() -> str:
        found, size = [], 0
        for line in lines:
            found.append(line)
            size += len(line)
            if size >= CHUNK_CHARACTERS:
                break
        return "".join(found)

    while text := await asyncio.to_thread(some):
        yield text

"""The history in forms that other programs read: a line for each event."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from events.errors import UnknownEventError
from events.reader import Reader, Stored
from projections import event_views, story

Form = Literal["ndjson", "csv", "cloudevents"]
MEDIA_TYPES: dict[Form, str] = {
    "ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "cloudevents": "application/x-ndjson",
}  # fmt: skip
CSV_COLUMNS = ("seq", "id", "at", "kind", "stream", "cause", "correlation", "actor", "summary", "data")


def lines(form: Form, rows: Iterable[Stored], log_id: str) -> Iterator[str]:
    """The events as lines of text; `log_id` names the log that they are from."""
    if form == "csv":
        yield _csv(CSV_COLUMNS)
        yield from (_csv(_cells(stored)) for stored in rows)
    elif form == "cloudevents":
        yield from (_json(_cloud_event(stored, log_id)) for stored in rows)
    else:
        yield from (_json(event_views.event(stored)) for stored in rows)


def log_id_of(reader: Reader) -> str:
    """The name of a log, as its first event says it; empty while there is none."""
    first = next(reader.rows(limit=1), None)
    return str(msgspec.json.decode(first.data).get("log_id", "")) if first else ""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode() + "\n"


def _csv(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _cells(stored: Stored) -> Iterator[object]:
    shown = event_views.event(stored)
    for name in CSV_COLUMNS:
        if name == "summary":
            yield summary(stored)
        else:
            yield bytes(shown.data).decode() if name == "data" else getattr(shown, name)


def summary(stored: Stored) -> str:
    """An event in words, also one that a newer Nexus recorded."""
    try:
        return story.sentence(stored.event)
    except UnknownEventError:
        return "(recorded by a newer version of Nexus)"


def _cloud_event(stored: Stored, log_id: str) -> dict[str, Any]:
    """CloudEvents 1.0 in JSON; what causes what is in extensions of ours, whose names may only be small letters."""
    shown = event_views.event(stored)
    ours = {"nexuscause": shown.cause, "nexuscorrelation": shown.correlation, "nexusactor": shown.actor}
    return {
        "specversion": "1.0", "id": shown.id, "source": f"urn:nexus:log:{log_id}", "type": f"nexus.{shown.kind}",
        "subject": shown.stream, "time": shown.at, "datacontenttype": "application/json",
        "sequence": f"{shown.seq:020}", **{name: it for name, it in ours.items() if it is not None},
        "data": shown.data,
    }  # fmt: skip

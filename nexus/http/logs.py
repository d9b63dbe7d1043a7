"""What the instances write: parts of their log files, found by instance and never by path, with secrets masked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from nexus.http import queries, shown
from nexus.http.operation import Asked
from nexus.http.problems import Problem
from nexus.http.queries import Known, OfService
from nexus.http.redaction import Redaction
from projections.conditions import instances_of

BYTES_DEFAULT, BYTES_MAX = 65_536, 1_048_576


class LogsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part: the end by default, or what follows or precedes a byte."""

    instance: Annotated[int, msgspec.Meta(ge=1, le=10_000, description="Which instance, 1 for the first.")] = 1
    start: Annotated[int, msgspec.Meta(ge=0, le=10**15, description="Begin at this byte.")] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=BYTES_MAX, description="Bytes at most.")] = BYTES_DEFAULT


def logs(known: Known, asked: Asked[OfService, LogsQuery]) -> shown.LogPart:
    """A part of a log; raises Problem 404."""
    name, query = asked.place.service, asked.query
    if not queries.is_shown(known.state, name):
        raise queries.no_such_service(known.state, name)
    instance = f"{name}.{query.instance}"
    known_names = sorted(it.name for it in instances_of(known.state, name))
    if instance not in known_names:
        raise Problem(
            404,
            f"the instance {instance}",
            f"one of: {', '.join(known_names)}",
            "none of that name",
            "Ask for one of them.",
        )
    start, content, size = _read(known.home / "logs", instance, query)
    text = Redaction.of(known.state.supervisor.path).text(content.decode("utf-8", "replace"))
    return shown.LogPart(name, instance, start, start + len(content), size, text.splitlines())


def _read(folder: Path, instance: str, query: LogsQuery) -> tuple[int, bytes, int]:
    """From the start of a line on, whole lines as far as there are any, and the size of the file."""
    path = folder / f"{instance}.log"
    if path.is_symlink() or not path.is_file():
        return 0, b"", 0
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - query.limit) if query.start is None else min(query.start, size)
        file.seek(start)
        content = file.read(query.limit)
    if query.start is None and start:
        skipped = content.find(b"\n") + 1
        start, content = start + skipped, content[skipped:]
    if start + len(content) < size and b"\n" in content:
        content = content[: content.rindex(b"\n") + 1]
    return start, content, size

"""`python -m nexus.sensors.reader`: reads one document in a process that nothing in the document can hurt."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from events.catalog import Endpoint, EndpointSource
from nexus.platforms.bounds import bound_self
from nexus.registry.comparing import broken, compared, named, names
from nexus.registry.errors import UnusableError
from nexus.registry.parsing import BYTES_MAX
from nexus.registry.reading import Reading, read

MEMORY_BYTES, CPU_SECONDS = 1_000_000_000, 10
BREAKING_MAX = 20


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the process says of a document: `problem` where it can't be used."""

    problem: str = ""
    source: EndpointSource = "openapi"
    title: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    omitted: int = 0
    breaking: tuple[str, ...] = ()
    document: msgspec.Raw = msgspec.Raw(b"null")


def told(raw: bytes, before: Path | None) -> Told:
    """What a document says, and what of it breaks those who relied on the one in `before`."""
    try:
        found = read(raw)
    except UnusableError as error:
        return Told(problem=str(error))
    breaking = _breaking(found, before) if before else []
    document = msgspec.Raw(msgspec.json.encode(found.document))
    return Told("", found.source, found.title, found.endpoints, found.omitted, tuple(breaking[:BREAKING_MAX]), document)


def _breaking(found: Reading, before: Path) -> list[str]:
    try:
        was = read(before.read_bytes())
    except (OSError, UnusableError):
        return []
    if found.source != was.source:
        return []
    if found.source == "openapi":
        return broken(compared(found.source, was.document, found.document))
    return broken(named(names(was), names(found)))


def main() -> int:
    """Read standard input, and the document before as a file where one is named; answer on standard output."""
    bound_self(MEMORY_BYTES, CPU_SECONDS)
    before = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    answer = told(sys.stdin.buffer.read(BYTES_MAX + 1), before)
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())

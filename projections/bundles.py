"""Bundles: an interval of the history with everything that is needed to read it elsewhere, in one zip file.

A bundle holds a home: the events of the interval with their hashes, what was known when they began, the head, what the
services concerned wrote, and `manifest.json`, which says what was packed. It is unpacked into a folder to be read.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from events import excerpt
from events.catalog import LogOpened
from events.envelope import Position
from events.reader import Reader
from events.verify import Verification, verify
from projections.conditions import instances_of
from projections.exports import log_id_of
from projections.history import History
from projections.moments import iso
from projections.state import State, encode

FORMAT = 1
MANIFEST = "manifest.json"
LOG_BYTES_MAX = 256 * 1024
"""Of what an instance wrote, the last of it: its lines have no moments that could be compared."""

Mask = Callable[[str], str]
"""Takes the secrets out of a text."""


class Packed(msgspec.Struct, frozen=True):
    """A file of a bundle."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was packed: events `first` to `last`, whose last hash is `head`.

    `problems` are those that the verification found when it was packed, `notes` say what was left out and why.
    """

    format: int = FORMAT
    nexus: str
    platform: str
    made_at: str
    project: str
    log_id: str
    first: Position
    last: Position
    since: str
    until: str
    events: int
    head: str
    services: list[str]
    problems: list[str]
    notes: list[str]
    files: dict[str, Packed]


class Wanted(msgspec.Struct, frozen=True):
    """What to pack: events `first` to `last`; with `mask` what services wrote too, otherwise `note` says why not."""

    first: Position
    last: Position
    made_at: str
    nexus: str
    mask: Mask | None = None
    note: str = ""


def pack(history: History, wanted: Wanted, to: BinaryIO) -> Manifest:
    """Write a bundle; returns what is in it. Raises LogError where the events can't be read."""
    with tempfile.TemporaryDirectory(prefix="nexus-bundle-") as folder:
        home = Path(folder)
        first = _beginning(history, wanted.first, wanted.last)
        _write_events(history, home, first, wanted.last)
        services = _concerned(home)
        if wanted.mask is not None:
            _write_logs(history, wanted, home, services)
        found = [*home.glob("events-*.db"), *home.glob("events.head"), *home.glob("logs/*.log")]
        files = {it.relative_to(home).as_posix(): it for it in sorted(found)}
        manifest = _manifest(home, first, wanted, services, {name: _packed(path) for name, path in files.items()})
        with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr(zipfile.ZipInfo(MANIFEST), msgspec.json.format(msgspec.json.encode(manifest)))
            for name, path in files.items():
                bundle.write(path, name)
    return manifest


def _beginning(history: History, first: Position, last: Position) -> Position:
    """The first event of a turn, at or before `first`, such that nothing up to `last` was caused by the one before it.

    The opening of the bundle stands in the place of that one: nothing that is shown may ask for it.
    """
    reader, begin = history.reader, history.first
    while first > begin:
        stored = reader.get(first)
        if stored is not None:
            first = reader.seq_at(stored.at - 1) + 1
            if first <= begin or _opens(reader, first):
                break
            if reader.get(first - 1) and not any(it.seq <= last for it in reader.caused_by(first - 1)):
                break
        first -= 1
    return max(first, begin)


def _opens(reader: Reader, seq: Position) -> bool:
    stored = reader.get(seq)
    return stored is not None and stored.kind == LogOpened.kind()


def _write_events(history: History, home: Path, first: Position, last: Position) -> None:
    reader, log_id = history.reader, log_id_of(history.reader)
    before = None if _opens(reader, first) else reader.get(first - 1)
    opening = excerpt.opening(before, log_id, encode(history.at(before.seq))) if before else None
    excerpt.write(home, log_id, opening, reader.rows(first - 1, last))


def _concerned(home: Path) -> list[str]:
    """The services that the events are about."""
    with Reader(home) as reader:
        streams = {it.stream for it in reader.rows()}
    return sorted(it.removeprefix("service/") for it in streams if it.startswith("service/"))


def _write_logs(history: History, wanted: Wanted, home: Path, services: list[str]) -> None:
    """The end of what the instances of these services wrote, without secrets."""
    assert wanted.mask is not None
    state: State = history.at(wanted.last)
    (home / "logs").mkdir()
    for name in sorted({one.name for service in services for one in instances_of(state, service)}):
        path = history.home / "logs" / f"{name}.log"
        if path.is_file() and not path.is_symlink():
            (home / "logs" / path.name).write_text(wanted.mask(_end_of(path)), "utf-8", newline="")


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LOG_BYTES_MAX))
        content = file.read(LOG_BYTES_MAX)
    if size > LOG_BYTES_MAX:
        content = content[content.find(b"\n") + 1 :]
    return content.decode("utf-8", "replace")


def _packed(path: Path) -> Packed:
    with path.open("rb") as file:
        return Packed(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _manifest(home: Path, first: Position, wanted: Wanted, services: list[str], files: dict[str, Packed]) -> Manifest:
    found = verify(home)
    packed = History(home)
    with packed.reader as reader:
        begun, log_id, project = reader.get(first), log_id_of(reader), packed.at().supervisor.project
    assert begun is not None
    return Manifest(
        nexus=wanted.nexus, platform=platform.platform(), made_at=wanted.made_at, project=project,
        log_id=log_id, first=first, last=found.head.seq, since=iso(begun.at),
        until=iso(found.head.at), events=found.events, head=found.head.hash.hex(), services=services,
        problems=list(_told(home, found)), notes=[wanted.note] if wanted.note else [], files=files,
    )  # fmt: skip


def _told(home: Path, found: Verification) -> Iterator[str]:
    """The problems, whatever folder they were found in."""
    for problem in found.problems:
        yield problem.replace(f"{home}/", "")

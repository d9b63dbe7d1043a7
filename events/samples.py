"""The samples store beside the log: what every instance uses, each second, in files of an hour.

A home holds `samples/2026-03-01T09.ticks`, the hour that is being written, and `samples/2026-03-01T08.samples`, hours
that are sealed: their digests are in the log. Nothing here ends supervision: what can't be kept is dropped, and told.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from events.catalog import Event, SamplesDropped, SamplesRetired, SamplesSealed
from events.envelope import Micros
from events.files import write_durably
from events.sample_files import (
    Layout,
    Row,
    Rows,
    SealDamagedError,
    contents,
    frame,
    moments_of,
    read_frames,
    read_rows,
    read_sealed,
    seal,
    tick_of,
)

FOLDER = "samples"
OPEN, SEALED = ".ticks", ".samples"
ROOM_BYTES = 64 << 20
"""Below this much room on the disk samples are dropped: the log needs it more."""

LATEST_BYTES = 1 << 16
LATEST = 10_000_000
LOOK_FOR_ROOM_EVERY = 60
LAYOUT_EVERY = 60
"""After so many ticks their layout is said again, so that damage never costs more."""


def hour_of(at: Micros) -> str:
    """The name of the hour that a moment lies in: `2026-03-01T09`."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H")


class Samples:
    """The only writer of a home's samples; `keep_bytes` and `keep_seconds` bound what is kept."""

    def __init__(self, home: Path, keep_bytes: int, keep_seconds: float) -> None:
        self.folder = home / FOLDER
        self.keep_bytes, self.keep_seconds = keep_bytes, keep_seconds
        self._hour = ""
        self._layout = Layout(())
        self._ticks = 0
        self._dropped: tuple[Micros, str] | None = None
        self._problems: list[Event] = []

    def add(self, at: Micros, rows: Rows) -> None:
        """Keep the figures of a moment, if that is possible; never raises."""
        try:
            self._write(at, rows)
        except OSError as error:
            if self._dropped is None:
                self._dropped = at, error.strerror or str(error)
        else:
            if self._dropped is not None:
                since, reason = self._dropped
                self._problems.append(SamplesDropped(since=since, until=at, reason=reason))
                self._dropped = None

    def _write(self, at: Micros, rows: Rows) -> None:
        hour = hour_of(at)
        if self._ticks % LOOK_FOR_ROOM_EVERY == 0:
            self._look_for_room()
        content = b""
        if hour != self._hour or not rows.keys() <= set(self._layout.instances) or self._ticks % LAYOUT_EVERY == 0:
            before = self._layout.instances if hour == self._hour else ()
            self._layout = Layout((*before, *(name for name in rows if name not in before)))
            content = frame(self._layout)
        self._hour = hour
        content += frame(tick_of(at, self._layout, rows))
        with (self.folder / f"{hour}{OPEN}").open("ab", buffering=0) as file:
            file.write(content)
        self._ticks += 1

    def _look_for_room(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if shutil.disk_usage(self.folder).free < ROOM_BYTES:
            raise OSError(0, f"less than {ROOM_BYTES >> 20} MiB are left on the disk")

    def take_problems(self) -> list[Event]:
        """What could not be kept since the last call."""
        problems, self._problems = self._problems, []
        return problems

    def seal(self, at: Micros, known: Collection[str]) -> list[Event]:
        """Seal the hours that are over and retire the oldest; `known` are the files whose seal the log knows.

        It may run in a thread of its own; what can't be done now is tried again the next time.
        """
        found: list[Event] = []
        try:
            for path in sorted(self.folder.glob(f"*{OPEN}")):
                if path.stem < hour_of(at):
                    found += self._sealed(path)
            written = {it.file for it in found if isinstance(it, SamplesSealed)}
            for path in sorted(self.folder.glob(f"*{SEALED}")):
                if path.name not in known and path.name not in written:
                    found.append(_described(path, path.read_bytes()))
            found += self._retired(at)
        except (OSError, SealDamagedError) as error:
            found.append(SamplesDropped(since=at, until=at, reason=f"an hour could not be sealed: {error}"))
        return found

    def _sealed(self, path: Path) -> Iterator[Event]:
        hour = read_frames(path.read_bytes())
        if hour.ticks:
            sealed = path.with_suffix(SEALED)
            content = seal(hour)
            write_durably(sealed, content)
            yield _described(sealed, content, hour.damaged_bytes)
        path.unlink()

    def _retired(self, at: Micros) -> Iterator[Event]:
        kept = sorted(self.folder.glob(f"*{SEALED}"), reverse=True)
        oldest, size = hour_of(max(0, at - int(self.keep_seconds * 1_000_000))), 0
        for path in kept:
            size += path.stat().st_size
            old = path.stem < oldest
            if old or size > self.keep_bytes:
                reason = (
                    f"older than {self.keep_seconds / 3600:g} hours"
                    if old
                    else f"more than {self.keep_bytes} bytes are kept"
                )
                digest = sha256(path.read_bytes()).hexdigest()
                path.unlink()
                yield SamplesRetired(file=path.name, digest=digest, reason=reason)


def _described(path: Path, content: bytes, damaged_bytes: int = 0) -> SamplesSealed:
    found, _ = contents(path)
    moments = moments_of(found)
    return SamplesSealed(
        file=path.name, since=min(moments, default=0), until=max(moments, default=0), ticks=len(moments),
        instances=len({chunk.instance for chunk in found.chunks}), size_bytes=len(content),
        digest=sha256(content).hexdigest(), damaged_bytes=damaged_bytes,
    )  # fmt: skip


# -- reading ---------------------------------------------------------------------------------------


def read(
    home: Path, instances: Sequence[str], since: Micros, until: Micros, problems: list[str]
) -> Iterator[tuple[str, Micros, Row]]:
    """The rows of these instances from `since` to `until`, hour by hour; what can't be read is put into `problems`."""
    first, last = hour_of(since), hour_of(until)
    paths = {path.stem: path for suffix in (SEALED, OPEN) for path in (home / FOLDER).glob(f"*{suffix}")}
    for hour, path in sorted(paths.items()):
        if first <= hour <= last:
            try:
                rows = list(_rows_of(path, instances))
            except FileNotFoundError:  # it was sealed or retired this very moment
                sealed = path.with_suffix(SEALED)
                rows = list(read_sealed(sealed, instances)) if sealed.exists() else []
            except (OSError, SealDamagedError) as error:
                problems.append(str(error))
                continue
            yield from (it for it in rows if since <= it[1] <= until)


def _rows_of(path: Path, instances: Sequence[str]) -> Iterable[tuple[str, Micros, Row]]:
    return (
        read_sealed(path, instances) if path.suffix == SEALED else read_rows(read_frames(path.read_bytes()), instances)
    )


def latest(home: Path, at: Micros) -> dict[str, tuple[Micros, Row]]:
    """The last row of each instance in the ten seconds before `at`; only the end of the present hour is read."""
    path, size = home / FOLDER / f"{hour_of(at)}{OPEN}", LATEST_BYTES
    try:
        with path.open("rb") as file:
            while True:
                file.seek(max(0, file.seek(0, 2) - size))
                hour = read_frames(file.read())
                if hour.ticks or file.tell() <= size:
                    break
                size *= 8
    except OSError:
        return {}
    names = {name for layout, _, _ in hour.parts for name in layout}
    return {name: (moment, row) for name, moment, row in read_rows(hour, sorted(names)) if at - moment <= LATEST}


def verify(home: Path, history: Iterable[Event]) -> list[str]:
    """What is wrong with the sealed hours, in words; one that was retired is known by its digest and is not missed."""
    sealed: dict[str, str] = {}
    for event in history:
        if isinstance(event, SamplesSealed):
            sealed[event.file] = event.digest
        elif isinstance(event, SamplesRetired):
            sealed.pop(event.file, None)
    problems = []
    for name, digest in sealed.items():
        try:
            content = (home / FOLDER / name).read_bytes()
        except OSError as error:
            problems.append(f"{FOLDER}/{name}: it was sealed and can't be read: {error.strerror}")
            continue
        if sha256(content).hexdigest() != digest:
            problems.append(f"{FOLDER}/{name}: it is not what was sealed: its digest differs")
    return problems

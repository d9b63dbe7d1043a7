"""How samples lie on the disk: frames of ticks as they come, and whole hours, compressed column by column.

A tick has one row of figures for each instance, all unsigned 32-bit numbers in the order of COLUMNS.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from operator import add, sub
from pathlib import Path

import msgspec

from events.envelope import Micros

COLUMNS = ("cpu_percent", "memory_kib", "processes", "threads", "files", "read_kib_s", "written_kib_s")
"""Hundredths of a core; resident memory of the whole tree; then its processes, threads and open files, and its disk."""

STEADY = ("memory_kib", "processes", "threads", "files")
"""Columns that mostly stay as they are: only their changes are kept."""

UNKNOWN = 0xFFFFFFFF
HIGHEST = UNKNOWN - 1
FRAME_MARK = b"\xf5NXF"
SEAL_MARK = b"NXSAMPLES1\n"
WIDTH = len(COLUMNS)
LEVEL = 9

Row = tuple[int, ...]
Rows = dict[str, Row]


class Layout(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Which instances the rows of the following ticks belong to, in this order."""

    instances: tuple[str, ...]


class Tick(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The figures of one moment: COLUMNS times instances, column by column."""

    at: Micros
    figures: bytes


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """Where in the body of a sealed hour the figures of one instance lie, and for which of the hour's ticks."""

    instance: str
    first: int
    count: int
    offset: int
    lengths: tuple[int, ...]


class Contents(msgspec.Struct, frozen=True, array_like=True):
    """The table of contents of a sealed hour; `ticks` are its moments, compressed."""

    ticks: bytes
    chunks: tuple[Chunk, ...]


class Hour(msgspec.Struct, frozen=True):
    """The samples of one hour in memory: for each layout its moments, and its figures tick by tick."""

    parts: tuple[tuple[tuple[str, ...], array[int], array[int]], ...]
    damaged_bytes: int = 0

    @property
    def ticks(self) -> int:
        """How many moments it has."""
        return sum(len(moments) for _, moments, _ in self.parts)


_encode = msgspec.msgpack.Encoder().encode
_frame = msgspec.msgpack.Decoder(Layout | Tick)
_contents = msgspec.msgpack.Decoder(Contents)


def frame(content: Layout | Tick) -> bytes:
    """A frame that can be found again after damage: a mark, its length, its checksum."""
    body = _encode(content)
    return FRAME_MARK + len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body


def tick_of(at: Micros, layout: Layout, rows: Rows) -> Tick:
    """The tick of these rows; an instance of the layout without a row is unknown at that moment."""
    unknown = (UNKNOWN,) * WIDTH
    figures = array("I", chain.from_iterable(zip(*(rows.get(name, unknown) for name in layout.instances), strict=True)))
    return Tick(at, _little(figures).tobytes())


def _little(figures: array[int]) -> array[int]:
    if sys.byteorder == "big":
        figures = figures[:]
        figures.byteswap()
    return figures


def _figures(content: bytes) -> array[int]:
    figures = array("I", content)
    return _little(figures)


# -- the present hour ------------------------------------------------------------------------------


def read_frames(content: bytes) -> Hour:
    """The ticks of a file of frames; what is damaged is left out and counted."""
    parts: list[tuple[tuple[str, ...], array[int], array[int]]] = []
    layout: tuple[str, ...] = ()
    good = 0
    for one, size in _frames(content):
        good += size
        if isinstance(one, Layout):
            layout = one.instances
        elif layout and len(one.figures) == 4 * WIDTH * len(layout):
            if not parts or parts[-1][0] != layout:
                parts.append((layout, array("q"), array("I")))
            parts[-1][1].append(one.at)
            parts[-1][2].frombytes(one.figures)
        else:
            good -= size
    if sys.byteorder == "big":
        for _, _, figures in parts:
            figures.byteswap()
    return Hour(tuple(parts), len(content) - good)


def _frames(content: bytes) -> Iterator[tuple[Layout | Tick, int]]:
    place = 0
    while (place := content.find(FRAME_MARK, place)) >= 0:
        start = place + 12
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        body = content[start : start + length]
        if len(body) == length and zlib.crc32(body) == int.from_bytes(content[place + 8 : start], "little"):
            try:
                yield _frame.decode(body), 12 + length
                place = start + length
                continue
            except msgspec.DecodeError:
                pass
        place += 1


# -- sealed hours ----------------------------------------------------------------------------------


def seal(hour: Hour) -> bytes:
    """The same hour, compressed: any instance's figures can be read without those of the others."""
    chunks: list[Chunk] = []
    body: list[bytes] = []
    offset = first = 0
    for layout, moments, figures in hour.parts:
        count, width = len(moments), len(layout)
        for place, name in enumerate(layout):
            columns = (figures[place + number * width :: WIDTH * width] for number in range(WIDTH))
            packed = [
                zlib.compress(_planes(_changes(values) if column in STEADY else values, 4), LEVEL)
                for column, values in zip(COLUMNS, columns, strict=True)
            ]
            chunks.append(Chunk(name, first, count, offset, tuple(map(len, packed))))
            body += packed
            offset += sum(map(len, packed))
        first += count
    moments = array("q", chain.from_iterable(moments for _, moments, _ in hour.parts))
    ticks = zlib.compress(_planes(array("q", map(sub, moments, chain((0,), moments))), 8), LEVEL)
    head = _encode(Contents(ticks, tuple(chunks)))
    return b"".join((SEAL_MARK, len(head).to_bytes(4, "little"), zlib.crc32(head).to_bytes(4, "little"), head, *body))


def _changes(values: array[int]) -> array[int]:
    """Each value less the one before; small ones of both signs become small numbers."""
    differences = ((it + 0x80000000 & UNKNOWN) - 0x80000000 for it in map(sub, values, chain((0,), values)))
    return array("I", [(it << 1 ^ it >> 31) & UNKNOWN for it in differences])


def _values(changes: array[int]) -> array[int]:
    return array("I", [it & UNKNOWN for it in accumulate((it >> 1 ^ -(it & 1) for it in changes), add)])


def _planes(values: array[int], size: int) -> bytes:
    """All lowest bytes, then all second ones, and so on: the higher ones are mostly alike."""
    raw = _little(values).tobytes()
    return b"".join(raw[place::size] for place in range(size))


def _unplaned(content: bytes, kind: str, size: int) -> array[int]:
    raw, count = bytearray(len(content)), len(content) // size
    for place in range(size):
        raw[place::size] = content[place * count : (place + 1) * count]
    return _little(array(kind, bytes(raw)))


class SealDamagedError(ValueError):
    """A sealed hour does not hold what was written to it."""


def contents(path: Path) -> tuple[Contents, int]:
    """What a sealed hour holds, and where its body begins. Raises SealDamagedError or OSError."""
    with path.open("rb") as file:
        start = file.read(len(SEAL_MARK) + 8)
        length, check = (int.from_bytes(part, "little") for part in (start[-8:-4], start[-4:]))
        head = file.read(length)
    if not start.startswith(SEAL_MARK) or zlib.crc32(head) != check:
        raise SealDamagedError(f"{path.name}: its table of contents is damaged")
    try:
        return _contents.decode(head), len(start) + len(head)
    except msgspec.DecodeError as error:
        raise SealDamagedError(f"{path.name}: its table of contents is damaged: {error}") from error


def moments_of(found: Contents) -> array[int]:
    """The moments of all ticks of a sealed hour."""
    return array("q", accumulate(_unplaned(zlib.decompress(found.ticks), "q", 8), add))


def read_sealed(path: Path, instances: Sequence[str] | None = None) -> Iterator[tuple[str, Micros, Row]]:
    """The rows of these instances, None for all; raises SealDamagedError or OSError."""
    found, begin = contents(path)
    moments = moments_of(found)
    with path.open("rb") as file:
        for chunk in found.chunks:
            if instances is None or chunk.instance in instances:
                file.seek(begin + chunk.offset)
                yield from _rows(path, chunk, [file.read(length) for length in chunk.lengths], moments)


def _rows(path: Path, chunk: Chunk, packed: list[bytes], moments: array[int]) -> Iterator[tuple[str, Micros, Row]]:
    try:
        planes = [_unplaned(zlib.decompress(column), "I", 4) for column in packed]
    except zlib.error as error:
        raise SealDamagedError(f"{path.name}: the samples of {chunk.instance} are damaged: {error}") from error
    columns = [_values(values) if name in STEADY else values for name, values in zip(COLUMNS, planes, strict=True)]
    for at, row in zip(moments[chunk.first : chunk.first + chunk.count], zip(*columns, strict=True), strict=True):
        if row[1] != UNKNOWN:
            yield chunk.instance, at, row


def read_rows(hour: Hour, instances: Sequence[str]) -> Iterator[tuple[str, Micros, Row]]:
    """The rows of these instances in an hour that is not sealed yet."""
    for layout, moments, figures in hour.parts:
        width = len(layout)
        for name in instances:
            if name in layout:
                place = layout.index(name)
                columns = (figures[place + number * width :: WIDTH * width] for number in range(WIDTH))
                for at, row in zip(moments, zip(*columns, strict=True), strict=True):
                    if row[1] != UNKNOWN:
                        yield name, at, row

"""How the command line writes: JSON for programs, aligned columns and a little colour for people."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from events.envelope import Micros
from nexus.cli.problems import ProblemError
from projections.moments import micros, moment_of

CODES = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36, "bold": 1, "dim": 2}
COLOURS = {
    "running": "green", "healthy": "green", "completed": "green", "ok": "green", "held": "green", "used": "green",
    "starting": "yellow", "waiting": "yellow", "paused": "yellow", "stopping": "yellow", "degraded": "yellow",
    "warn": "yellow", "stale": "yellow", "warning": "yellow", "foreign": "yellow",
    "failed": "red", "unhealthy": "red", "fail": "red", "critical": "red", "refused": "red",
    "stopped": "dim", "declared": "dim", "unknown": "dim", "idle": "dim",
}  # fmt: skip
"""The colour of each word that tells how something is."""

_escape = re.compile("\033\\[[0-9;]*m")


def emit(value: Any) -> None:
    """One JSON value on a line of its own."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def say(text: str = "") -> None:
    """A line for a person, at once; where it goes to a terminal it is broken between words."""
    columns = width()
    if columns is None or len(_escape.sub("", text)) <= columns:
        print(text, flush=True)
        return
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    wrapped = textwrap.wrap(text, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    print("\n".join(wrapped), flush=True)


@contextlib.contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Where to write what becomes `file` when the block ends; nothing is left where it fails. Raises ProblemError."""
    draft = file.with_name(file.name + ".part")
    try:
        yield draft
        draft.replace(file)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise ProblemError(f"{file} can't be written", expected="a new file", found=found, kind="no-file") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def width() -> int | None:
    """How many columns a line may have; None where it goes to a file or another program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def coloured() -> bool:
    """Whether colours are wanted (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str = "") -> str:
    """The text in a colour, by default that of the word itself."""
    code = CODES.get(colour or COLOURS.get(text.strip(), ""))
    return f"\033[{code}m{text}\033[0m" if code and coloured() else text


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines with aligned columns; words that tell how something is have their colour."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (headers, *cells)) for column in range(len(headers))]

    def line(row: Sequence[str], colour: str = "") -> str:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        return "  ".join(paint(cell, colour) for cell in padded).rstrip()

    return [line(headers, "dim"), *(line(row) for row in cells)]


def duration(seconds: float) -> str:
    """`0.25 s`, `12 s`, `3 min`, `4 h`, `2 days`."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 1 else f"{seconds:.2f} s"
    for unit, size in (("days", 172_800), ("h", 7200), ("min", 120)):
        if seconds >= size:
            return f"{seconds / {'days': 86_400, 'h': 3600, 'min': 60}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock(at: Micros, exact: bool = False) -> str:
    """A moment in local time, with its date unless it is today; to the second, or exactly to the microsecond."""
    local = moment_of(at).astimezone()
    clock = local.strftime("%H:%M:%S.%f" if exact else "%H:%M:%S")
    return clock if local.date() == datetime.now().astimezone().date() else f"{local:%Y-%m-%d} {clock}"


def now_micros() -> Micros:
    """The present moment in µs UTC."""
    return micros(datetime.now().astimezone())

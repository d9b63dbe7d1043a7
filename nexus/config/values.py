"""The small languages inside strings: durations, sizes, ranges of ports, addresses."""

from __future__ import annotations

import math
import re
import shlex

DURATION = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)\s*d)?\s*(?:(?P<h>\d+(?:\.\d+)?)\s*h)?\s*(?:(?P<m>\d+(?:\.\d+)?)\s*m(?!s))?"
    r"\s*(?:(?P<s>\d+(?:\.\d+)?)\s*s)?\s*(?:(?P<ms>\d+(?:\.\d+)?)\s*ms)?",
    re.ASCII,
)
UNIT_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
SECONDS_MAX = 10_000 * 86_400.0
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMG]i?)?B", re.ASCII)
SIZE_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}
RANGE = re.compile(r"(\d{1,5})\s*-\s*(\d{1,5})", re.ASCII)
ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(\d{1,5})", re.ASCII)
PORT_MAX = 65_535
SHELL_WORDS = frozenset(["&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>&1", "2>"])


def seconds_of(value: object) -> float | None:
    """A duration in seconds, from `"1h 30m"`, `"250ms"` or a number of seconds; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if not isinstance(value, str):
        return float(value) if 0 <= value <= SECONDS_MAX else None
    match = DURATION.fullmatch(value.strip())
    given = {unit: float(number) for unit, number in match.groupdict().items() if number} if match else {}
    seconds = math.fsum(number * UNIT_SECONDS[unit] for unit, number in given.items())
    return seconds if given and seconds <= SECONDS_MAX else None


def bytes_of(value: object) -> int | None:
    """A size in bytes, from `"64MB"` (powers of 1000), `"64MiB"` (of 1024) or a number; None where it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value > 0 else None
    match = SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(float(match[1]) * SIZE_UNITS[(match[2] or "").upper()]) or None if match else None


def is_port(value: object) -> bool:
    """Whether it is a number from 1 to 65535."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= PORT_MAX


def range_of(value: object) -> tuple[int, int] | None:
    """Both ends of a range of ports, both included, from `"20000-32767"`; None where it is none."""
    match = RANGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    return (first, last) if is_port(first) and is_port(last) and first <= last else None


def address_of(value: object) -> tuple[str, int] | None:
    """Host and port, from `"127.0.0.1:7777"` or `"[::1]:7777"`; None where it is none."""
    match = ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or not is_port(int(match[2])):
        return None
    return match[1].strip("[]"), int(match[2])


def words_of(command: str) -> tuple[str, ...]:
    """The words of a command line, split as a shell would.

    Raises ValueError where a quote is not closed, or where it needs a shell that Nexus does not run.
    """
    words = tuple(shlex.split(command))
    operator = next((word for word in words if word in SHELL_WORDS), None)
    if operator is not None:
        raise ValueError(f"{operator}, which only a shell understands")
    return words

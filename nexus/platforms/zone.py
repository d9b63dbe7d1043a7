"""The local time of this machine, as it can be recorded: when it changes against UTC in the next years."""

from __future__ import annotations

import os
import time
from pathlib import Path

from events.catalog import UtcOffset
from events.envelope import Micros

DAY_SECONDS = 86_400
YEARS = 10
LOCALTIME = Path("/etc/localtime")


def local_zone(now: Micros) -> tuple[str, tuple[UtcOffset, ...]]:
    """The name of the local zone, and its offsets from a day before `now` on."""
    at = now // 1_000_000 - DAY_SECONDS
    offsets = [UtcOffset(at * 1_000_000, _offset(at))]
    for day in range(YEARS * 366):
        begin, end = at + day * DAY_SECONDS, at + (day + 1) * DAY_SECONDS
        if _offset(end) != offsets[-1].seconds:
            offsets.append(UtcOffset(_change(begin, end) * 1_000_000, _offset(end)))
    return _name(), tuple(offsets)


def _offset(at: int) -> int:
    return time.localtime(at).tm_gmtoff


def _change(begin: int, end: int) -> int:
    """The second at which the offset changes between two moments."""
    while end - begin > 1:
        middle = (begin + end) // 2
        begin, end = (begin, middle) if _offset(middle) == _offset(end) else (middle, end)
    return end


def _name() -> str:
    """As the zone database has it where that is known, otherwise as the system shortens it."""
    named = os.environ.get("TZ", "").removeprefix(":")
    _, found, linked = str(LOCALTIME.resolve()).partition("zoneinfo/")
    return named or (linked if found else time.tzname[0])

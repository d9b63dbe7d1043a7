"""Local time, as it was recorded: how far it is ahead of UTC at any moment, summer time included."""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from events.catalog import UtcOffset
from events.envelope import Micros


class Zone(msgspec.Struct, frozen=True):
    """A named local time and when it changes against UTC; without changes it is UTC."""

    name: str = "UTC"
    offsets: tuple[UtcOffset, ...] = ()

    def offset_minutes(self, at: Micros) -> int:
        """How many minutes local time is ahead of UTC at a moment."""
        if not self.offsets:
            return 0
        index = bisect_right(self.offsets, at, key=lambda it: it.since)
        return self.offsets[max(0, index - 1)].seconds // 60

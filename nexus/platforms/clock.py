"""Time for a real machine: anchored once in wall time, then counted by the monotonic clock."""

from __future__ import annotations

import time

from events.envelope import Micros


class AnchoredClock:
    """Wall time at the start, and from then on only what the monotonic clock counts; never before `last`."""

    def __init__(self, last: Micros = 0) -> None:
        self._anchor = max(time.time_ns() // 1000, last) - time.monotonic_ns() // 1000

    def now(self) -> Micros:
        """The present moment."""
        return self._anchor + time.monotonic_ns() // 1000

    def wall_step_seconds(self) -> float:
        """How far the wall clock is ahead of this clock: about 0 until somebody sets it."""
        return (time.time_ns() // 1000 - self.now()) / 1e6

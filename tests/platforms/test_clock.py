"""Time on a real machine."""

from __future__ import annotations

import time

from nexus.platforms.clock import AnchoredClock


def test_time_is_wall_time_at_first() -> None:
    """A fresh clock shows what everybody's watch shows."""
    assert abs(AnchoredClock().now() - time.time_ns() // 1000) < 1_000_000


def test_time_is_never_before_the_last_known_moment() -> None:
    """After the wall clock was set back, history does not repeat its moments."""
    future = time.time_ns() // 1000 + 3_600_000_000
    clock = AnchoredClock(last=future)
    assert clock.now() >= future
    assert -3601 < clock.wall_step_seconds() < -3590


def test_no_step_is_seen_where_there_was_none() -> None:
    """Drift is far below what counts as a step."""
    assert abs(AnchoredClock().wall_step_seconds()) < 0.5

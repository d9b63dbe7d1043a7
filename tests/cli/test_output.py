"""How the command line writes for people."""

from __future__ import annotations

import pytest

from nexus.cli.output import clock, duration, now_micros, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"), (0.256, "0.26 s"), (1.234, "1.2 s"), (9.96, "10 s"), (42.4, "42 s"), (119, "119 s"),
        (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (172_799, "48 h"), (172_800, "2 days"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    """Two figures, in the unit that a person would use."""
    assert duration(seconds) == text


def test_columns_are_aligned() -> None:
    """Every column is as wide as its widest cell, and nothing hangs over the end."""
    assert table(["A", "LONG"], [["x", "y"], ["wide cell", ""]]) == ["A          LONG", "x          y", "wide cell"]


def test_today_needs_no_date() -> None:
    """A moment of another day has its date."""
    assert len(clock(now_micros())) == len("14:02:11")
    assert clock(1_772_373_731_000_251, exact=True) == "2026-03-01 14:02:11.000251"

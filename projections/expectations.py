"""Expectations: which starts are due, and by which way of expecting them, as the patterns have it."""

from __future__ import annotations

import msgspec

from events.envelope import Micros
from projections.patterns import MINUTE, Pattern, Patterns
from projections.recurrence import PAD_MINUTES, span
from projections.series import HYBRID, expected, way


class Expectation(msgspec.Struct, frozen=True):
    """A start of `pattern` is due from `opens` to `closes`; `why` says it in words, `sure` where it goes by a rule."""

    pattern: str
    opens: Micros
    closes: Micros
    way: str
    why: str
    sure: float | None


LEAD_MINUTES = 5
"""How long before a start is due its ports are held."""


def holds_from(it: Expectation) -> Micros:
    """When what it needs is held for it: so long before the earliest start that was seen."""
    return it.opens + (PAD_MINUTES - LEAD_MINUTES) * MINUTE


_last: tuple[Patterns, list[Expectation]] = (Patterns(), [])


def expectations(patterns: Patterns) -> list[Expectation]:
    """Every start that is due today and not over, by the way that each pattern has earned."""
    global _last
    known, found = _last
    if known is not patterns:
        # Remembered because the policy asks in every turn, and patterns change with a start.
        found = [it for name, pattern in patterns.by_name.items() for it in _of(name, pattern)]
        _last = patterns, found
    return found


def _of(name: str, pattern: Pattern) -> list[Expectation]:
    series = pattern.series
    chosen = way(series)
    return [
        Expectation(
            name, opens * MINUTE, (closes + 1) * MINUTE, chosen,
            str(window.rule) if window else _stretch(chosen, opens - series.last, closes - series.last),
            window.sure if window else None,
        )
        for opens, closes, window in expected(series, chosen)
    ]  # fmt: skip


def _stretch(chosen: str, first: int, last: int) -> str:
    if chosen == HYBRID:
        return f"{span(first)} to {span(last)} after the last, as the histogram of its intervals has it"
    return f"within {span(last)} of the last"

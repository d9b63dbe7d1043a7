"""A series: given starts, then this is expected, and each way to expect has cost so much."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from projections.series import HYBRID, NOTHING, WAYS, Series, at_minute, cost, expected, started, way

DAY = 1440
MONDAY = 4 * DAY


def lived(starts: list[int], offset: int = 0) -> Series:
    """The series after these starts, each midnight between them looked at."""
    series, day = Series(), starts[0] // DAY
    for minute in starts:
        for midnight in range(day + 1, minute // DAY + 1):
            series = at_minute(series, midnight * DAY, offset)
        day = minute // DAY
        series = started(series, minute, offset)
    return series


def daily(days: int, minute: int = 540) -> list[int]:
    """Starts at one time on every day."""
    return [MONDAY + day * DAY + minute for day in range(days)]


def test_rules_pay_for_what_comes_every_day() -> None:
    """They are taken, and the next start is expected when it will come."""
    series = lived(daily(20))
    series = at_minute(series, MONDAY + 20 * DAY, 0)
    assert way(series).startswith("rules")
    windows = expected(series, way(series))
    assert windows[0][:2] == (MONDAY + 20 * DAY + 539, MONDAY + 20 * DAY + 541)


def test_keeping_pays_for_what_comes_in_bursts() -> None:
    """Starts that follow one another within minutes, at any time, are best answered by waiting after each."""
    dice, minute, starts = random.Random(1), MONDAY, []
    for _ in range(40):
        minute += dice.randrange(700, 4000)
        for _ in range(6):
            minute += 10 + dice.randrange(25)
            starts.append(minute)
    series = lived(starts)
    assert way(series) == HYBRID
    assert cost(series, "keep 60 min") < 0.8 * cost(series, NOTHING)
    assert expected(series, "keep 60 min") == [(starts[-1], starts[-1] + 60, None)]


@pytest.mark.parametrize("mean", [60, 240, 1440])
def test_chance_is_answered_by_nothing(mean: int) -> None:
    """Of starts without a memory hardly one is expected."""
    dice, minute, starts = random.Random(7), MONDAY, []
    for _ in range(300):
        minute += 10 + int(dice.expovariate(1 / mean))
        starts.append(minute)
    series, silent = Series(), 0
    for last, minute in pairwise(starts):
        for midnight in range(last // DAY + 1, minute // DAY + 1):
            series = at_minute(series, midnight * DAY, 0)
        series = started(series, minute, 0)
        silent += way(series) == NOTHING
    assert silent / len(starts) > 0.85
    assert cost(series, way(series)) <= cost(series, NOTHING)


def test_costs_are_minutes_of_waiting_and_misses() -> None:
    """One start an hour after the other: a miss, or the minutes that it was waited for in vain."""
    series = lived([MONDAY, MONDAY + 60])
    assert {name: cost(series, name) for name in WAYS} == {
        NOTHING: 60, "rules from 30%": 60, "rules from 50%": 60, "rules from 70%": 60,
        HYBRID: 60, "keep 10 min": 70, "keep 60 min": 60, "keep 240 min": 60,
    }  # fmt: skip


def test_hits_and_misses_are_booked() -> None:
    """What does not hold earns less the next time, what holds earns more."""
    before = at_minute(lived(daily(20)), MONDAY + 20 * DAY, 0)
    window = before.windows[0]
    missed = at_minute(before, window.closes + 1, 0)
    assert missed.learned[window.bucket][0] < before.learned[window.bucket][0]
    assert window in missed.past
    hit = started(before, window.opens, 0)
    assert hit.learned[window.bucket][0] > before.learned[window.bucket][0]
    assert hit.past == ()


def test_what_belongs_to_the_last_start_is_none() -> None:
    """A start within ten minutes of the last one changes nothing."""
    series = lived(daily(3))
    assert started(series, series.last + 9, 0) == series
    assert started(series, series.last + 10, 0).count == series.count + 1


def test_the_hybrid_histogram() -> None:
    """Short gaps give a window, long ones a band round their median, few or scattered ones a long wait."""
    hourly = lived([MONDAY + 60 * it for it in range(30)])
    assert hourly.hybrid == (hourly.last + 54, hourly.last + 68)
    long = lived(daily(12))
    assert long.hybrid == (long.last + 1440 * 85 // 100, long.last + 1440 * 115 // 100)
    few = lived(daily(3))
    assert few.hybrid == (few.last, few.last + 240)
    scattered = lived([MONDAY + sum(range(10, 10 + it)) for it in range(230)])
    assert scattered.hybrid == (scattered.last, scattered.last + 240)
    assert expected(hourly, HYBRID) == [(*hourly.hybrid, None)]


def test_nothing_is_expected_of_what_never_started() -> None:
    """Nor by the way that expects nothing."""
    assert expected(Series(), "keep 10 min") == []
    assert expected(lived(daily(3)), NOTHING) == []


def test_local_time_is_what_counts() -> None:
    """The same minutes belong to the days of the zone: 23:30 UTC is half past midnight of the next day."""
    series = lived([MONDAY + 23 * 60 + 30], offset=60)
    assert series.starts == {5: (30,)}

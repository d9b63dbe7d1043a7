"""Recurrence: given starts by day, then these rules, in words that a person can check."""

from __future__ import annotations

import random
from collections.abc import Mapping

from projections.recurrence import Rule, calendar_rules, clock, interval_rules, span

MONDAY = 4


def workdays(count: int, minute: int = 540) -> dict[int, tuple[int, ...]]:
    """Starts on each workday of so many days, two minutes around a time."""
    return {MONDAY + it: (minute + it % 3 - 1,) for it in range(count) if it % 7 < 5}


def best(starts: Mapping[int, tuple[int, ...]], day: int) -> str:
    """The best rule for a day, in words; empty without one."""
    return next((str(rule) for rule in calendar_rules(starts, day)), "")


def test_workdays_are_told_from_weekends() -> None:
    """What comes on workdays is expected on a Monday and not on a Saturday."""
    starts = workdays(19)
    assert best(starts, MONDAY + 21) == "workdays 8:58–9:02, 15 of 15"
    assert calendar_rules(starts, MONDAY + 19) == []


def test_one_weekday_is_enough() -> None:
    """A backup on Sundays is expected on Sundays only."""
    starts = {MONDAY + 6 + 7 * week: (120,) for week in range(5)}
    assert best(starts, MONDAY + 41) == "Sundays 1:59–2:01, 5 of 5"
    assert [calendar_rules(starts, MONDAY + day) for day in range(35, 41)] == [[]] * 6


def test_a_few_starts_are_no_rule() -> None:
    """Two days are not enough, nor is one day with many starts."""
    assert calendar_rules(workdays(2), MONDAY + 2) == []
    assert calendar_rules({MONDAY: (1, 2, 3, 4, 5)}, MONDAY + 1) == []
    assert interval_rules([60, 60, 60, 60]) == []


def test_several_times_a_day_are_several_rules() -> None:
    """They do not overlap, and a wide one takes over where the time varies."""
    starts = {MONDAY + it: (480, 720 + 17 * it % 40) for it in range(14)}
    rules = calendar_rules(starts, MONDAY + 14)
    assert [(rule.first, rule.last) for rule in rules[:2]] == [(479, 481), (729, 760)]
    assert all(one.last < other.first or one.first > other.last for one in rules for other in rules if one != other)


def test_what_fell_silent_is_over() -> None:
    """A daily job is expected for four more days; one on Sundays for as many Sundays as chance allows."""
    daily = dict.fromkeys(range(30), (540,))
    assert [bool(calendar_rules(daily, day)) for day in range(30, 35)] == [True, True, True, True, False]
    sundays = {MONDAY + 6 + 7 * week: (540,) for week in range(8)}
    expected = [bool(calendar_rules(sundays, MONDAY + 62 + 7 * week)) for week in range(4)]
    assert expected == [True, True, True, False]


def test_intervals() -> None:
    """Something every hour is expected an hour after the last time, with the gaps as support."""
    rules = interval_rules([60, 61, 60, 59, 60, 60, 61, 60, 240, 60])
    assert str(rules[0]) == "58 min to 1 h 2 min after the last, 9 of 10"


def test_chance_gives_no_sure_interval() -> None:
    """Gaps without a memory claim little for themselves."""
    dice = random.Random(3)
    rules = interval_rules([1 + int(dice.expovariate(1 / 300)) for _ in range(40)])
    assert max(rule.chance for rule in rules if rule.of > 10) < 0.5


def test_in_words() -> None:
    """Times of day and whiles as people write them."""
    assert [clock(537), clock(0), clock(1439)] == ["8:57", "0:00", "23:59"]
    assert [span(58), span(120), span(1437)] == ["58 min", "2 h", "23 h 57 min"]
    assert str(Rule("interval to Mondays", 1437, 1443, 0.9, 8, 9)).endswith("after the last, 8 of 9")

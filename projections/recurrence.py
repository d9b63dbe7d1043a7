"""Recurrence: when what started again and again is expected next, as rules that a person can check.

Moments are minutes: of the local day for rules of the calendar, since the last start for rules of intervals.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

DAY_MINUTES = 1440
WIDTHS_MINUTES = (4, 10, 30, 60)
PAD_MINUTES = 1
SUPPORT_MIN = 3
"""How often something must have happened before it is a rule."""

SILENCE_CHANCE = 0.005
"""A rule is over once the days since it held last are so unlikely to be silent by chance."""

AGE_WEIGHT = 0.93
GAPS_KEPT = 40
INTERVALS_MAX = 4
TRIED_MAX = 400
INTERVAL = "interval"


class DayClass(msgspec.Struct, frozen=True):
    """Days that are alike: `weekdays` counts from Monday, 0; the last `days` of them are looked at."""

    name: str
    weekdays: tuple[int, ...]
    days: int

    def holds(self, day: int) -> bool:
        """Whether the day with this number since 1970 is one of them."""
        return weekday(day) in self.weekdays


WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
CLASSES = (
    DayClass("every day", tuple(range(7)), 14),
    DayClass("workdays", tuple(range(5)), 15),
    DayClass("weekend", (5, 6), 8),
    *(DayClass(name, (number,), 8) for number, name in enumerate(WEEKDAYS)),
    DayClass("lately every day", tuple(range(7)), 5),
    DayClass("lately workdays", tuple(range(5)), 5),
)
DAYS_KEPT = 8 * 7
"""The oldest day that a class looks at."""


class Rule(msgspec.Struct, frozen=True):
    """Between `first` and `last` minute, seen on `hits` of `of` occasions; `chance` weighs the recent ones more."""

    kind: str
    first: int
    last: int
    chance: float
    hits: int
    of: int

    def __str__(self) -> str:
        if self.kind.startswith(INTERVAL):
            return f"{span(self.first)} to {span(self.last)} after the last, {self.hits} of {self.of}"
        return f"{self.kind} {clock(self.first)}–{clock(self.last)}, {self.hits} of {self.of}"


def weekday(day: int) -> int:
    """Monday is 0; `day` counts from 1970-01-01, which was a Thursday."""
    return (day + 3) % 7


def clock(minute: int) -> str:
    """A minute of the day as people write it: `8:57`."""
    return f"{minute // 60 % 24}:{minute % 60:02}"


def span(minutes: int) -> str:
    """A while as people write it: `58 min`, `23 h 57 min`."""
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours and rest else f"{hours} h" if hours else f"{minutes} min"


# -- rules of the calendar -------------------------------------------------------------------------


def calendar_rules(starts: Mapping[int, Sequence[int]], day: int) -> list[Rule]:
    """What is expected of `day`, the likeliest and narrowest first; no two overlap.

    `starts` holds the minutes of each earlier local day on which something started.
    """
    known = [it for it in starts if it < day]
    if len(known) < SUPPORT_MIN:
        return []
    began, found = min(known), list[tuple[float, Rule]]()
    for alike in CLASSES:
        if alike.holds(day):
            found += _candidates(alike, starts, _days(alike, began, day))
    return _apart(found, lambda rule: _lives(rule, starts, began, day))


def _lives(rule: Rule, starts: Mapping[int, Sequence[int]], began: int, day: int) -> bool:
    """Whether what each weekday did since that time was first kept speaks for `day`.

    Its own weekday has not only been without, and the silence since the last time is not longer than chance allows.
    """
    days = range(max(began, day - DAYS_KEPT), day)
    held = [it for it in days if any(rule.first <= minute <= rule.last for minute in starts.get(it, ()))]
    first, latest, chance = held[0], held[-1], 1.0
    for silent in range(latest + 1, day):
        chance *= 1 - _share(held, silent, range(first, latest + 1), 1)
    return chance >= SILENCE_CHANCE and _share(held, day, range(first, day), 0) > 0


def _share(held: Sequence[int], day: int, known: range, doubt: int) -> float:
    """On which part of the days with the weekday of `day` it was kept; 1 where there was none."""
    alike = sum(weekday(it) == weekday(day) for it in known) + doubt
    return sum(weekday(it) == weekday(day) for it in held) / alike if alike else 1.0


def _days(alike: DayClass, began: int, day: int) -> list[int]:
    """The last days of a class before `day`, the latest first, none of them before it `began`."""
    earliest = max(began, day - DAYS_KEPT)
    return [it for it in range(day - 1, earliest - 1, -1) if alike.holds(it)][: alike.days]


def _candidates(
    alike: DayClass, starts: Mapping[int, Sequence[int]], days: Sequence[int]
) -> Iterator[tuple[float, Rule]]:
    """Every window that begins with a start and holds often enough, with its worth."""
    if len(days) < SUPPORT_MIN:
        return
    weight = {day: AGE_WEIGHT**age for age, day in enumerate(days)}
    total = sum(weight.values())
    points = sorted((minute, day) for day in days for minute in starts.get(day, ()))
    for width in WIDTHS_MINUTES:
        counts: dict[int, int] = {}
        end = 0
        for minute, day in points:
            while end < len(points) and points[end][0] <= minute + width:
                counts[points[end][1]] = counts.get(points[end][1], 0) + 1
                end += 1
            if len(counts) >= SUPPORT_MIN:
                chance = (sum(weight[it] for it in counts) + 0.3) / (total + 1.0)
                first, last = minute - PAD_MINUTES, points[end - 1][0] + PAD_MINUTES
                yield worth(chance, width), Rule(alike.name, first, last, chance, len(counts), len(days))
            counts[day] -= 1
            if not counts[day]:
                del counts[day]


def worth(chance: float, width: float) -> float:
    """What orders rules: a likely one before a narrow one."""
    return float(chance * chance / (width + 8) ** 0.25)


def _apart(found: Iterable[tuple[float, Rule]], lives: Callable[[Rule], bool] = lambda _: True) -> list[Rule]:
    """The best rules that do not overlap and still live."""
    kept: list[Rule] = []
    for _, rule in sorted(found, key=lambda it: (-it[0], it[1].first, it[1].last, it[1].kind))[:TRIED_MAX]:
        if all(rule.last < other.first or rule.first > other.last for other in kept) and lives(rule):
            kept.append(rule)
    return kept


# -- rules of intervals ----------------------------------------------------------------------------


def interval_rules(gaps: Sequence[int]) -> list[Rule]:
    """When the next start is expected after the last one, from the minutes between the last starts."""
    ordered = sorted(gaps[-GAPS_KEPT:])
    if len(ordered) < 5:
        return []
    found = []
    for index, gap in enumerate(ordered):
        longer = len(ordered) - index
        for width in (2, max(4, gap // 20), max(8, gap * 3 // 20)):
            end = bisect_right(ordered, gap + width)
            hits = end - index
            if hits >= SUPPORT_MIN:
                chance = (hits + 0.3) / (longer + 1.0)
                first, last = max(1, gap - PAD_MINUTES), ordered[end - 1] + PAD_MINUTES
                found.append((worth(chance, width), Rule(INTERVAL, first, last, chance, hits, longer)))
    return sorted(_apart(found)[:INTERVALS_MAX], key=lambda rule: rule.first)

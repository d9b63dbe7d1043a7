"""A series: the starts of one thing, what is expected of it, and what each way to expect would have cost so far.

Everything here counts in minutes since 1970: UTC for starts and windows, local days for the calendar.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate

import msgspec

from projections.recurrence import (
    DAY_MINUTES,
    DAYS_KEPT,
    GAPS_KEPT,
    INTERVAL,
    WEEKDAYS,
    Rule,
    calendar_rules,
    interval_rules,
    weekday,
)

replace = msgspec.structs.replace

Minute = int
APART_MINUTES = 10
"""A start within that time of the last one belongs to it."""

STARTS_A_DAY_MAX = 96
WINDOWS_MAX = 60
LEARNED_DECAY = 0.97
TRUST = 4.0
"""How many occasions the chance that a rule claims for itself is worth."""

MISS_MINUTES = 60.0
"""A start that nobody expected costs as much as this many minutes of waiting in vain."""

LONG_MINUTES = 720
PAYS = 0.8
"""Expecting something has to cost clearly less than expecting nothing."""

EVIDENCE_MINUTES = 4 * MISS_MINUTES * 0.9
"""Nothing is concluded from fewer than four starts after the first."""

HISTOGRAM_MINUTES = 240
GAPS_FOR_HYBRID = 5
KEEP_ALIVE_MINUTES = (10, 60, 240)
SURE = (0.7, 0.5, 0.3)
NOTHING, HYBRID = "nothing", "hybrid histogram"
WAYS = (NOTHING, *(f"rules from {sure:.0%}" for sure in SURE), HYBRID, *(f"keep {it} min" for it in KEEP_ALIVE_MINUTES))
"""The ways to expect a start, in the order in which they are preferred at equal cost."""


class Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """A start is expected from `opens` to `closes`, with the chance that the rule has earned so far."""

    opens: Minute
    closes: Minute
    sure: float
    rule: Rule

    @property
    def bucket(self) -> str:
        """What its outcome is booked under: its kind of rule and the chance that the rule claims, in tenths."""
        return bucket(self.rule)


class Series(msgspec.Struct, frozen=True, omit_defaults=True):
    """The starts of one thing: minutes of the local day by day, and the `gaps` between the last ones.

    `windows` are still to come or open; `past` closed since the last start without one. `learned` books hits and
    occasions by bucket, `costs` are the forgetting costs of each way, `histogram` counts short gaps.
    """

    starts: dict[int, tuple[int, ...]] = {}
    gaps: tuple[int, ...] = ()
    last: Minute = 0
    day: int = 0
    count: int = 0
    windows: tuple[Window, ...] = ()
    past: tuple[Window, ...] = ()
    learned: dict[str, tuple[float, float]] = {}
    costs: tuple[float, ...] = (0.0,) * len(WAYS)
    histogram: dict[int, int] = {}
    out_of_bounds: int = 0
    hybrid: tuple[Minute, Minute] = (0, 0)


def bucket(rule: Rule) -> str:
    """The account of a rule: `workdays .9`."""
    return f"{rule.kind} .{min(9, int(rule.chance * 10))}"


def earned(learned: dict[str, tuple[float, float]], rule: Rule) -> float:
    """The chance that a rule claims, moved by how often such rules held."""
    hits, occasions = learned.get(bucket(rule), (0.0, 0.0))
    return (hits + TRUST * rule.chance) / (occasions + TRUST)


def booked(series: Series, window: Window, hit: bool) -> Series:
    """The series after an occasion on which a window held or did not."""
    hits, occasions = series.learned.get(window.bucket, (0.0, 0.0))
    account = (hits * LEARNED_DECAY + hit, occasions * LEARNED_DECAY + 1)
    return replace(series, learned={**series.learned, window.bucket: account})


# -- time passes -----------------------------------------------------------------------------------


def at_minute(series: Series, now: Minute, offset: int) -> Series:
    """The series at `now`: what closed without a start did not hold, and a new local day has its own windows.

    `offset` is how many minutes local time is ahead of UTC.
    """
    closed = [it for it in series.windows if it.closes < now]
    if closed:
        for window in closed:
            series = booked(series, window, False)
        left = tuple(it for it in series.windows if it.closes >= now)
        series = replace(series, windows=left, past=(*series.past, *closed)[-WINDOWS_MAX:])
    day = (now + offset) // DAY_MINUTES
    return _new_day(series, now, day, offset) if day > series.day else series


def _new_day(series: Series, now: Minute, day: int, offset: int) -> Series:
    midnight = day * DAY_MINUTES - offset
    starts = {it: minutes for it, minutes in series.starts.items() if day - it <= DAYS_KEPT}
    series = replace(series, day=day, starts=starts)
    expected = _windows(series, calendar_rules(starts, day), midnight, now)
    return replace(series, windows=(*series.windows, *expected))


def _windows(series: Series, rules: Iterable[Rule], origin: Minute, now: Minute) -> list[Window]:
    """The windows of rules that count from `origin`, those that are over left out."""
    return [
        Window(origin + rule.first, origin + rule.last, earned(series.learned, rule), rule)
        for rule in rules
        if origin + rule.last >= now
    ]


# -- a start ---------------------------------------------------------------------------------------


def started(series: Series, now: Minute, offset: int) -> Series:
    """The series once something started at `now`; a start that belongs to the last one changes nothing but time."""
    series = at_minute(series, now, offset)
    if series.count and now - series.last < APART_MINUTES:
        return series
    due = [it for it in series.windows if it.opens <= now]
    for window in due:
        series = booked(series, window, True)
    gap = now - series.last if series.count else 0
    if series.count:
        series = replace(series, costs=_costs(series, due, now))
        series = _with_gap(series, gap)
    day, minute = divmod(now + offset, DAY_MINUTES)
    minutes = (*series.starts.get(day, ()), minute)[-STARTS_A_DAY_MAX:]
    series = replace(series, starts={**series.starts, day: minutes}, last=now, count=series.count + 1, past=())
    calendar = [it for it in series.windows if it.opens > now and not it.rule.kind.startswith(INTERVAL)]
    dated = (_dated(series, rule, now + offset) for rule in interval_rules(series.gaps))
    expected = _windows(series, filter(None, dated), now, now)
    return replace(series, windows=(*calendar, *expected), hybrid=_hybrid(series))


def _dated(series: Series, rule: Rule, since: Minute) -> Rule | None:
    """What follows its last start across a night is learned by the weekday that it leads to, if that ever had one."""
    if rule.first < LONG_MINUTES:
        return rule
    today, number = since // DAY_MINUTES, weekday((since + rule.first) // DAY_MINUTES)
    known = any(weekday(day) == number for day in range(min(series.starts), today))
    never = all(weekday(day) != number for day in series.starts)
    return None if known and never else replace(rule, kind=f"{INTERVAL} to {WEEKDAYS[number]}")


def _with_gap(series: Series, gap: int) -> Series:
    if gap >= HISTOGRAM_MINUTES:
        return replace(series, gaps=(*series.gaps, gap)[-GAPS_KEPT:], out_of_bounds=series.out_of_bounds + 1)
    histogram = {**series.histogram, gap: series.histogram.get(gap, 0) + 1}
    return replace(series, gaps=(*series.gaps, gap)[-GAPS_KEPT:], histogram=histogram)


def _hybrid(series: Series) -> tuple[Minute, Minute]:
    """The window of the hybrid histogram policy (Shahrad et al., Serverless in the Wild) after the last start."""
    inside = sum(series.histogram.values())
    if inside + series.out_of_bounds < GAPS_FOR_HYBRID:
        return series.last, series.last + HISTOGRAM_MINUTES
    if series.out_of_bounds > inside:
        recent = sorted(series.gaps[-20:])
        median = recent[len(recent) // 2]
        return series.last + median * 85 // 100, series.last + median * 115 // 100
    mean = inside / HISTOGRAM_MINUTES
    spread = math.sqrt(max(0.0, sum(it * it for it in series.histogram.values()) / HISTOGRAM_MINUTES - mean * mean))
    if spread <= 2 * mean:
        return series.last, series.last + HISTOGRAM_MINUTES
    early, late = _percentile(series.histogram, inside * 0.05), _percentile(series.histogram, inside * 0.99)
    return series.last + early * 9 // 10, series.last + min(HISTOGRAM_MINUTES, -(-(late + 1) * 11 // 10))


def _percentile(histogram: dict[int, int], wanted: float) -> int:
    ordered = sorted(histogram)
    totals = accumulate(histogram[gap] for gap in ordered)
    return next(gap for gap, total in zip(ordered, totals, strict=True) if total >= wanted)


# -- what each way would have cost -----------------------------------------------------------------


def _costs(series: Series, due: Sequence[Window], now: Minute) -> tuple[float, ...]:
    """The costs of every way after a start at `now`, older ones weighing less."""
    gone = [*series.past, *due]
    spent = [MISS_MINUTES, *(_of_windows([it for it in gone if it.sure >= sure], now) for sure in SURE)]
    spent += [_of_stretch(*series.hybrid, now), *(_of_stretch(series.last, series.last + it, now) for it in
                                                  KEEP_ALIVE_MINUTES)]  # fmt: skip
    return tuple(old * LEARNED_DECAY + new for old, new in zip(series.costs, spent, strict=True))


def _of_windows(windows: Sequence[Window], now: Minute) -> float:
    wasted, reached = 0, 0
    for window in sorted(windows, key=lambda it: it.opens):
        wasted += max(0, min(window.closes, now) - max(window.opens, reached))
        reached = max(reached, min(window.closes, now))
    return wasted + (0.0 if any(it.closes >= now for it in windows) else MISS_MINUTES)


def _of_stretch(opens: Minute, closes: Minute, now: Minute) -> float:
    wasted = max(0, min(closes, now) - opens)
    return wasted + (0.0 if opens <= now <= closes else MISS_MINUTES)


def way(series: Series) -> str:
    """The way to expect that cost least so far; to expect nothing where no other is clearly cheaper."""
    least, without = min(series.costs), cost(series, NOTHING)
    pays = without >= EVIDENCE_MINUTES and least < PAYS * without
    return WAYS[series.costs.index(least)] if pays else NOTHING


def cost(series: Series, name: str) -> float:
    """The minutes that a way has cost so far, older ones weighing less."""
    return series.costs[WAYS.index(name)]


def expected(series: Series, name: str) -> list[tuple[Minute, Minute, Window | None]]:
    """From when to when a way expects a start that has not come yet, with the window where it goes by rules."""
    if not series.count or name == NOTHING:
        return []
    if name == HYBRID:
        return [(*series.hybrid, None)]
    if name.startswith("rules"):
        sure = SURE[WAYS.index(name) - 1]
        return [(it.opens, it.closes, it) for it in series.windows if it.sure >= sure]
    keep = KEEP_ALIVE_MINUTES[WAYS.index(name) - 2 - len(SURE)]
    return [(series.last, series.last + keep, None)]

"""Recurring starts: what is expected of them, beside keeping alive and the hybrid histogram, and what choosing costs.

Streams are files of starts, one epoch second a line, in the folder that NEXUS_STARTS names; synthetic ones are added.
Everything is judged as it would have happened: each start is expected from earlier starts only, after two weeks.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from projections.recurrence import DAY_MINUTES
from projections.series import (
    APART_MINUTES,
    HYBRID,
    MISS_MINUTES,
    NOTHING,
    SURE,
    WAYS,
    Series,
    at_minute,
    expected,
    started,
    way,
)

WARM_DAYS = 15
QUICK_STARTS = 1500
WEEK = 7 * DAY_MINUTES
SPLITS = 20
FIRST = 28_400_000 // DAY_MINUTES * DAY_MINUTES
SELECTOR = "selector"


class Tally(msgspec.Struct):
    """How one way did: starts that it expected, times that it waited, minutes in vain, and what that cost."""

    starts: int = 0
    hits: int = 0
    waits: int = 0
    wasted: float = 0.0
    cost: float = 0.0

    def add(self, hits: int, waits: int, wasted: float) -> None:
        """One start."""
        self.starts += 1
        self.hits += hits
        self.waits += waits
        self.wasted += wasted
        self.cost += wasted + (0.0 if hits else MISS_MINUTES)

    def figures(self) -> dict[str, float]:
        """Recall and precision in percent, wasted minutes and cost a start."""
        starts = max(1, self.starts)
        return {
            "recall": round(100 * self.hits / starts, 1), "precision": round(100 * self.hits / max(1, self.waits), 1),
            "wasted_minutes": round(self.wasted / starts, 2), "cost_minutes": round(self.cost / starts, 2),
        }  # fmt: skip


Tallies = dict[str, Tally]


class Lived(msgspec.Struct):
    """One stream, as it was lived through: the tallies of each way by week, and those of the selector."""

    name: str
    weeks: dict[int, Tallies]

    def total(self, weeks: set[int] | None = None) -> Tallies:
        """The tallies of these weeks together."""
        found = {name: Tally() for name in (*WAYS, SELECTOR)}
        for week, tallies in self.weeks.items():
            for name, tally in tallies.items() if weeks is None or week in weeks else ():
                known = found[name]
                for field in Tally.__struct_fields__:
                    setattr(known, field, getattr(known, field) + getattr(tally, field))
        return found


# -- streams ---------------------------------------------------------------------------------------


def given() -> Iterator[tuple[str, list[int]]]:
    """The streams of the folder that NEXUS_STARTS names."""
    folder = os.environ.get("NEXUS_STARTS", "")
    for path in sorted(Path(folder).glob("*.txt")) if folder else ():
        yield path.stem, sorted({int(line) // 60 for line in path.read_text().split()})


def synthetic() -> Iterator[tuple[str, list[int]]]:
    """Jobs by the clock, with holidays and shifts, and starts without a memory."""
    dice = random.Random(2026)
    for name, weekdays, minute, jitter in (
        ("synthetic workdays 9:00", range(5), 540, 1), ("synthetic daily 2:15", range(7), 135, 2),
        ("synthetic Sundays", (6,), 180, 2),
    ):  # fmt: skip
        days = [day for day in range(365) if (FIRST // DAY_MINUTES + day + 3) % 7 in weekdays and dice.random() < 0.98]
        shift = {day: 30 if day > 200 else 0 for day in days}
        yield name, [FIRST + day * DAY_MINUTES + minute + shift[day] + dice.randint(-jitter, jitter) for day in days]
    yield "synthetic hourly", [FIRST + 60 * it + dice.randint(0, 2) for it in range(3000) if dice.random() < 0.98]
    for mean in (60, 240, 1440):
        at, starts = float(FIRST), []
        for _ in range(1000):
            at += dice.expovariate(1 / mean)
            starts.append(int(at))
        yield f"poisson {mean} min", starts


# -- living through one ----------------------------------------------------------------------------


def lived(name: str, minutes: list[int], quick: bool) -> Lived:
    """Every start of a stream, with what each way expected just before."""
    series, found = Series(), Lived(name, {})
    first = minutes[0]
    for minute in minutes[: QUICK_STARTS if quick else None]:
        if series.count:
            for midnight in range(series.last // DAY_MINUTES + 1, minute // DAY_MINUTES + 1):
                series = at_minute(series, midnight * DAY_MINUTES, 0)
        if series.count and minute - series.last >= APART_MINUTES and minute - first >= WARM_DAYS * DAY_MINUTES:
            tallies = found.weeks.setdefault(minute // WEEK, {it: Tally() for it in (*WAYS, SELECTOR)})
            chosen = way(series)
            for one in WAYS:
                spans = merged(expected_before(series, one, minute), minute)
                hit = int(any(closes >= minute for _, closes in spans))
                wasted = sum(min(closes, minute) - opens for opens, closes in spans)
                tallies[one].add(hit, len(spans), wasted)
                if one == chosen:
                    tallies[SELECTOR].add(hit, len(spans), wasted)
        series = started(series, minute, 0)
    return found


def expected_before(series: Series, name: str, now: int) -> list[tuple[int, int]]:
    """From when to when a way expected a start since the last one, what is over by `now` included."""
    if not name.startswith("rules"):
        return [(opens, closes) for opens, closes, _ in expected(series, name)]
    series = msgspec.structs.replace(series, windows=(*series.past, *series.windows))
    return [(opens, closes) for opens, closes, _ in expected(series, name) if opens <= now]


def merged(spans: list[tuple[int, int]], now: int) -> list[tuple[int, int]]:
    """The spans that have begun, those that touch drawn together."""
    found: list[tuple[int, int]] = []
    for opens, closes in sorted(it for it in spans if it[0] <= now):
        if found and opens <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], closes)
        else:
            found.append((opens, closes))
    return found


# -- figures ---------------------------------------------------------------------------------------


def best_rules(tallies: Tallies) -> str:
    """The chance from which rules cost least."""
    return min((f"rules from {sure:.0%}" for sure in SURE), key=lambda it: tallies[it].cost)


def held_out(one: Lived) -> Tally:
    """The rules on random halves of the weeks, with the chance to act from chosen on the other half."""
    dice, total = random.Random(7), Tally()
    weeks = sorted(one.weeks)
    for _ in range(SPLITS):
        half = set(dice.sample(weeks, len(weeks) // 2))
        for chosen_on, judged_on in ((half, set(weeks) - half), (set(weeks) - half, half)):
            tally = one.total(judged_on)[best_rules(one.total(chosen_on))]
            for field in Tally.__struct_fields__:
                setattr(total, field, getattr(total, field) + getattr(tally, field))
    return total


def run(quick: bool) -> dict[str, Any]:
    """Every stream, the ways beside each other, and the selector beside the best way in hindsight."""
    figures: dict[str, dict[str, Any]] = {}
    chosen = best = 0.0
    silent = []
    for name, minutes in [*given(), *synthetic()]:
        one = lived(name, minutes, quick)
        total = one.total()
        least = min(tally.cost for it, tally in total.items() if it != SELECTOR)
        starts = max(1, total[NOTHING].starts)
        if name.startswith("poisson"):
            silent.append(100 - 100 * total[SELECTOR].waits / starts)
        chosen, best = chosen + total[SELECTOR].cost / starts, best + least / starts
        figures[name] = {
            "starts": starts,
            "selector": total[SELECTOR].figures(),
            "rules_in_sample": total[best_rules(total)].figures(),
            "rules_held_out": held_out(one).figures(),
            "hybrid": total[HYBRID].figures(),
            "keep_alive_240": total["keep 240 min"].figures(),
            "selector_vs_hindsight": round(total[SELECTOR].cost / least, 3) if least else 1.0,
        }
    ratios = {"selector_vs_hindsight": round(chosen / best, 4), "poisson_silent_percent": round(min(silent), 1)}
    return {"figures": flat(figures), "ratios": ratios}


def flat(figures: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same with one level: `selector recall`."""
    found: dict[str, dict[str, Any]] = {}
    for name, measures in figures.items():
        found[name] = {}
        for measure, value in measures.items():
            inner = value.items() if isinstance(value, dict) else ()
            found[name] |= {f"{measure} {it}": number for it, number in inner} or {measure: value}
    return found

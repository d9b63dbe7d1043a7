"""What people and programs are shown of patterns and predictions: the JSON forms of the command line and of REST."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from events.envelope import Micros, Position
from projections.expectations import Expectation, expectations, holds_from
from projections.moments import iso
from projections.patterns import MINUTE, Pattern, is_program, title, with_busy
from projections.recurrence import DAY_MINUTES, INTERVAL, SUPPORT_MIN, Rule, calendar_rules, clock, interval_rules, span
from projections.reservations import Reservation
from projections.series import LEARNED_DECAY, NOTHING, SURE, WAYS, Series, cost, earned, way
from projections.state import State

EPOCH = date(1970, 1, 1)
DAYS_AHEAD = 7


class RuleView(msgspec.Struct, frozen=True):
    """A rule with what supports it: it held on `hits` of `of` occasions; `next` is when it expects a start."""

    rule: str
    when: str
    hits: int
    of: int
    sure: float
    acts: bool
    next: str


class DayView(msgspec.Struct, frozen=True):
    """In which quarters of an hour (0 to 95, local time) of a day it was at work, and at which minutes it started."""

    day: str
    quarters: list[int]
    starts: list[int]


class PatternView(msgspec.Struct, frozen=True):
    """What is known of when something starts; `ways` has the minutes that each way to expect it costs a start.

    `does` says in words what Nexus does about it, `ready_seconds` how long it takes to get ready.
    """

    pattern: str
    who: str
    ports: list[int]
    starts: int
    last: str | None
    way: str
    does: str
    rules: list[RuleView]
    ways: dict[str, float]
    ready_seconds: float
    days: list[DayView]


class PatternsView(msgspec.Struct, frozen=True):
    """Every pattern, those with the most starts first; `zone` names the local time that they are in."""

    seq: Position
    at: str
    zone: str
    patterns: list[PatternView]


class PredictionView(msgspec.Struct, frozen=True):
    """A start that is expected from `opens` to `closes`; `held` are the ports that are held for it since `holds_from`.

    `sure` is null where it does not go by a rule.
    """

    pattern: str
    who: str
    opens: str
    closes: str
    holds_from: str
    way: str
    why: str
    sure: float | None
    ports: list[int]
    held: list[int]


class PredictionsView(msgspec.Struct, frozen=True):
    """The starts that are expected today and not over, in the order in which they are due."""

    seq: Position
    at: str
    predictions: list[PredictionView]


def patterns(state: State) -> PatternsView:
    """Every pattern that has a start."""
    known = [(name, it) for name, it in state.patterns.by_name.items() if it.series.count]
    known.sort(key=lambda item: (-item[1].series.count, item[0]))
    return PatternsView(
        state.seq, iso(state.at), state.patterns.zone.name, [_pattern(state, name, it) for name, it in known]
    )


def _pattern(state: State, name: str, pattern: Pattern) -> PatternView:
    series, chosen = pattern.series, way(pattern.series)
    weight = sum(LEARNED_DECAY**age for age in range(max(1, series.count - 1)))
    return PatternView(
        pattern=name, who=title(name, pattern), ports=ports_of(state, name, pattern), starts=series.count,
        last=iso(pattern.began), way=chosen, does=_does(state, name, pattern, chosen),
        rules=_rules(state, series, chosen), ways={it: round(cost(series, it) / weight, 1) for it in WAYS},
        ready_seconds=pattern.ready_seconds, days=_days(state, pattern),
    )  # fmt: skip


def ports_of(state: State, name: str, pattern: Pattern) -> list[int]:
    """The ports that it takes: those of a service's leases, or those that a program took lately."""
    if is_program(name):
        return sorted(pattern.ports)
    service = name.removeprefix("service/")
    leases = state.leases.by_name.values()
    return sorted(it.port for it in leases if it.holder.rpartition(".")[0] == service and it.state != "released")


def _does(state: State, name: str, pattern: Pattern, chosen: str) -> str:
    if pattern.series.count < SUPPORT_MIN:
        return f"learning, {pattern.series.count} of {SUPPORT_MIN} starts"
    if chosen == NOTHING:
        return "only watches: nothing that it could do pays"
    declared = state.services.declared.get(name.removeprefix("service/"))
    if not is_program(name) and (declared is None or declared.predict.ports == "off"):
        return "only watches: nexus.toml says so"
    if not ports_of(state, name, pattern):
        return "only watches: it takes no ports"
    return f"holds its ports ({chosen})"


def _rules(state: State, series: Series, chosen: str) -> list[RuleView]:
    """The rules of the calendar for the next days, each with its first day, and those of intervals."""
    offset = state.patterns.zone.offset_minutes(state.at)
    now = state.at // MINUTE
    today = (now + offset) // DAY_MINUTES
    least = SURE[WAYS.index(chosen) - 1] if chosen.startswith("rules") else 2.0
    found: dict[tuple[str, int], RuleView] = {}
    for day in range(today, today + DAYS_AHEAD + 1):
        for rule in calendar_rules(series.starts, day):
            opens = day * DAY_MINUTES + rule.first - offset
            if day * DAY_MINUTES + rule.last - offset >= now:
                found.setdefault((rule.kind, rule.first // 60), _rule(series, rule, opens, least))
    for rule in interval_rules(series.gaps):
        if series.last + rule.last >= now:
            found[INTERVAL, rule.first] = _rule(series, rule, series.last + rule.first, least)
    return sorted(found.values(), key=lambda it: (-it.sure, it.next))


def _rule(series: Series, rule: Rule, opens: int, least: float) -> RuleView:
    sure = earned(series.learned, rule)
    interval = rule.kind.startswith(INTERVAL)
    when = (
        f"{span(rule.first)} to {span(rule.last)} after the last" if interval
        else f"{rule.kind} {clock(rule.first)}–{clock(rule.last)}"
    )  # fmt: skip
    return RuleView(str(rule), when, rule.hits, rule.of, round(sure, 2), sure >= least, iso(opens * MINUTE))


def _days(state: State, pattern: Pattern) -> list[DayView]:
    busy = pattern.busy
    for since in pattern.alive.values():
        busy = with_busy(busy, since, state.at, state.patterns.zone)
    return [
        DayView(
            day=(EPOCH + timedelta(days=day)).isoformat(),
            quarters=[bit for bit in range(96) if int(mask, 16) >> bit & 1],
            starts=list(pattern.series.starts.get(day, ())),
        )
        for day, mask in busy.items()
    ]


def predictions(state: State) -> PredictionsView:
    """The starts that are due."""
    due = sorted(expectations(state.patterns), key=lambda it: (it.opens, it.pattern))
    shown = [_prediction(state, it) for it in due if it.closes > state.at]
    return PredictionsView(state.seq, iso(state.at), shown)


def _prediction(state: State, it: Expectation) -> PredictionView:
    pattern = state.patterns.by_name[it.pattern]
    held = [one.port for one in state.reservations.by_lease.values() if _holds(one, it, state.at)]
    return PredictionView(
        pattern=it.pattern, who=title(it.pattern, pattern), opens=iso(it.opens), closes=iso(it.closes),
        holds_from=iso(holds_from(it)), way=it.way, why=it.why,
        sure=None if it.sure is None else round(it.sure, 2), ports=ports_of(state, it.pattern, pattern),
        held=sorted(held),
    )  # fmt: skip


def _holds(one: Reservation, it: Expectation, now: Micros) -> bool:
    return one.pattern == it.pattern and one.state == "held" and holds_from(it) <= now

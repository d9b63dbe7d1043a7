"""What is shown of patterns and predictions: given weeks of a job, then these forms."""

from __future__ import annotations

import random

import msgspec
import pytest

from events.catalog import PortRequest, Predict, Service
from projections.expectations import expectations
from projections.pattern_views import PatternView, patterns, predictions
from projections.patterns import Patterns
from projections.series import HYBRID
from tests.days import Days
from tests.given import asked, service

JOB = service("job", PortRequest(fixed=8000), task=True, autostart=False)


def learned(job: Service = JOB, days: int = 21) -> Days:
    """Workdays at nine."""
    world = Days(job)
    for day in range(days):
        if day % 7 < 5:
            world.start("job", world.at(day, 9, 0, 37 * day % 120))
    return world


def shown(world: Days) -> PatternView:
    """The first pattern."""
    return patterns(world.state).patterns[0]


def test_a_pattern_with_its_support() -> None:
    """Each rule in words, on how many days it held, how sure that is, and when it comes next."""
    world = learned()
    world.until(world.at(21, 0, 1))
    view = shown(world)
    assert (view.who, view.starts, view.ports, view.does) == ("job", 15, [8000], "holds its ports (rules from 70%)")
    rule = view.rules[0]
    assert (rule.rule, rule.when, rule.acts) == ("workdays 8:59–9:02, 15 of 15", "workdays 8:59–9:02", True)
    assert (rule.hits, rule.of, rule.next) == (15, 15, "1970-01-26T08:59:00.000000Z")
    assert view.ways["nothing"] == 60.0 > view.ways["rules from 70%"]


def test_the_heat_map() -> None:
    """The quarters of an hour at work and the minutes of its starts, by day; one that still runs counts up to now."""
    world = learned(days=3)
    day = shown(world).days[-1]
    assert (day.day, day.quarters, day.starts) == ("1970-01-07", [36, 37, 38], [541])
    world.until(world.at(3, 9))
    world.when(asked("start", "job"), after_seconds=86_400)
    world.later(1800)
    assert len(shown(world).days[-1].quarters) == 3


def test_a_prediction() -> None:
    """What is due today, with the ports that are held once its time is near."""
    world = learned()
    world.until(world.at(21, 0, 1))
    (due,) = predictions(world.state).predictions
    assert (due.who, due.opens[11:16], due.closes[11:16], due.holds_from[11:16]) == ("job", "08:59", "09:03", "08:55")
    assert (due.ports, due.held, due.why) == ([8000], [], "workdays 8:59–9:02, 15 of 15")
    world.until(world.at(21, 8, 55))
    assert predictions(world.state).predictions[0].held == [8000]
    world.until(world.at(21, 12))
    assert predictions(world.state).predictions == []


@pytest.mark.parametrize(
    ("job", "days", "does"),
    [
        (JOB, 2, "learning, 2 of 3 starts"),
        (msgspec.structs.replace(JOB, predict=Predict(ports="off")), 21, "only watches: nexus.toml says so"),
        (msgspec.structs.replace(JOB, ports=()), 21, "only watches: it takes no ports"),
        (JOB, 4, "only watches: nothing that it could do pays"),
    ],
)
def test_why_nothing_is_done(job: Service, days: int, does: str) -> None:
    """It is said in words."""
    assert shown(learned(job, days)).does == does


def test_bursts_are_expected_by_their_intervals() -> None:
    """A pattern that goes by the histogram of its intervals says so, without a chance."""
    world, dice, minute = Days(JOB), random.Random(1), 0
    for _ in range(20):
        minute += dice.randrange(700, 2000)
        for _ in range(6):
            minute += 10 + dice.randrange(25)
            world.start("job", world.at(0, 0, minute), for_minutes=1)
    view = shown(world)
    assert view.way == HYBRID
    assert any(rule.when.endswith("after the last") for rule in view.rules)
    (due,) = predictions(world.state).predictions
    assert due.sure is None
    assert due.why.endswith("as the histogram of its intervals has it")
    world.until(world.at(0, 0, minute + 8))
    assert predictions(world.state).predictions[0].held == [8000]


def test_bursts_of_chance_are_waited_for() -> None:
    """A pattern for which keeping the ports pays keeps them for that time."""
    world, dice, minute = Days(JOB), random.Random(2), 0
    for _ in range(12):
        minute += 2000 + dice.randrange(900)
        for _ in range(12):
            minute += 10
            world.start("job", world.at(0, 0, minute), for_minutes=1)
    world.state = msgspec.structs.replace(world.state, patterns=_keeping(world))
    due = expectations(world.state.patterns)
    assert due[0].why == "within 10 min of the last"


def _keeping(world: Days) -> Patterns:
    """The patterns of a world in which keeping for ten minutes has cost least."""
    known = world.state.patterns
    pattern = known.by_name["service/job"]
    costs = tuple(1.0 if index == 5 else 900.0 for index in range(len(pattern.series.costs)))
    series = msgspec.structs.replace(pattern.series, costs=costs)
    return msgspec.structs.replace(known, by_name={"service/job": msgspec.structs.replace(pattern, series=series)})


def test_a_program_with_its_ports() -> None:
    """Ports that are taken together, and the program's name."""
    world = Days(JOB)
    for day in range(7):
        world.listen(world.at(day, 9), 8000, 8001)
    view = shown(world)
    assert (view.pattern, view.who, view.ports) == ("program/python3:8000", "python3 on 8000–8001", [8000, 8001])
    assert view.does.startswith("holds its ports")

"""Patterns: given what starts and what opens ports, then this is known of its habits."""

from __future__ import annotations

from events.catalog import (
    ConfigurationLoaded,
    Event,
    PortClosed,
    PortOpened,
    PortOwner,
    ProbePassed,
    RunExited,
    RunStarted,
    SupervisorStarted,
    UtcOffset,
)
from events.envelope import Draft, Recorded
from projections.patterns import PROGRAMS_MAX, Pattern, Patterns, ports_in_words, title, with_busy
from projections.state import State, evolve
from projections.zone import Zone
from tests.days import DAY, MINUTE, MONDAY
from tests.given import SECOND, World, asked, given_up, service

QUARTER = 15 * MINUTE


def opened(port: int, command: str = "python3", **more: str) -> PortOpened:
    """A program takes a port."""
    return PortOpened(port=port, address="127.0.0.1", owners=(PortOwner(pid=7, command=command),), **more)  # type: ignore[arg-type]


def after(*events: tuple[int, Event]) -> Patterns:
    """What is known once each event has happened at its second."""
    state = State()
    for seq, (second, event) in enumerate(events, 1):
        state = evolve(state, Recorded(seq, MONDAY + second * SECOND, event))
    return state.patterns


def test_a_start_is_one_and_a_further_try_is_none() -> None:
    """Neither are a replacement and what is part of Nexus."""
    world = World(service("web", probe=True), service("api", category="internal"))
    world.when(asked("up"))
    world.passes("web.1", after_seconds=3)
    world.when(asked("restart", "web"))
    world.exits("web.1")
    world.exits("web.1")
    world.due("restart:web.1")
    patterns = world.state.patterns
    assert list(patterns.by_name) == ["service/web"]
    assert patterns.by_name["service/web"].series.count == 1


def test_how_long_it_takes_to_get_ready() -> None:
    """Recent times weigh more; a later good answer says nothing."""
    world = World(service("web", probe=True))
    for seconds, learned in ((4.0, 4.0), (8.0, 5.2)):
        world.when(asked("start", "web"), after_seconds=3600)
        run = world.instance("web.1").run
        world._turn([draft("web.1", run)], world.state.at + int(seconds * SECOND))
        assert abs(world.state.patterns.by_name["service/web"].ready_seconds - learned) < 0.1
        world.passes("web.1")
        world.when(asked("stop", "web"), after_seconds=3600)
        world.exits("web.1")


def draft(name: str, run: int) -> Draft:
    """The first good answer, whose cause is the start."""
    return Draft(ProbePassed(instance=name, run=run), run)


def test_ports_taken_together_are_one_program() -> None:
    """Within a minute; the day after it is recognised by any of them."""
    day = DAY // SECOND
    patterns = after(
        (0, opened(8000)), (1, opened(8001)), (50, opened(8002)), (300, opened(9000)), (day, opened(8001)),
        (day + 5, opened(8000)), (day + 9, opened(5432, "postgres")),
    )  # fmt: skip
    assert list(patterns.by_name) == ["program/python3:8000", "program/python3:9000", "program/postgres:5432"]
    pattern = patterns.by_name["program/python3:8000"]
    assert (pattern.series.count, sorted(pattern.ports)) == (2, [8000, 8001, 8002])
    assert title("program/python3:8000", pattern) == "python3 on 8000–8002"
    assert title("program/:1", Pattern(ports={1: 1})) == "a process on 1"


def test_a_port_that_is_no_longer_taken_is_forgotten() -> None:
    """After five starts without it."""
    day = DAY // SECOND
    patterns = after((0, opened(8000)), (1, opened(8001)), *((day * it, opened(8000)) for it in range(1, 7)))
    assert list(patterns.by_name["program/python3:8000"].ports) == [8000]


def test_what_is_no_start_of_a_stranger() -> None:
    """Ports of our own, UDP, and what was open before the supervisor looked."""
    started = SupervisorStarted(pid=1)
    assert after((0, opened(1, instance="web.1")), (0, opened(2, protocol="udp"))).by_name == {}
    assert after((0, started), (5, opened(1))).by_name == {}
    assert list(after((0, started), (61, opened(1))).by_name) == ["program/python3:1"]


def test_too_many_programs_are_bounded() -> None:
    """The one that started least often goes first."""
    hour = 3600
    events = [(0, opened(1)), (hour, opened(1))]
    events += [(hour * it, opened(1000 + it)) for it in range(2, PROGRAMS_MAX + 2)]
    known = after(*events).by_name
    assert len(known) == PROGRAMS_MAX
    assert "program/python3:1" in known
    assert "program/python3:1002" not in known


def test_when_it_was_at_work() -> None:
    """The quarters of an hour between opening and closing, in local time, days long ago forgotten."""
    closed = PortClosed(port=8000, address="127.0.0.1")
    patterns = after((600, opened(8000)), (3600, closed), (3700, closed))
    assert patterns.by_name["program/python3:8000"].busy == {4: f"{0b11111:x}"}
    busy = with_busy({}, MONDAY + 23 * 60 * MINUTE, MONDAY + DAY + QUARTER, Zone())
    assert busy == {4: f"{0b1111 << 92:x}", 5: "3"}
    assert list(with_busy(busy, MONDAY + 25 * DAY, MONDAY + 25 * DAY, Zone())) == [29]


def test_what_is_no_longer_declared_has_no_pattern() -> None:
    """Other programs keep theirs."""
    world = World(service("web"))
    world.when(asked("up"))
    world.when(opened(8000), after_seconds=100)
    world.when(ConfigurationLoaded(project="p", services={}))
    assert list(world.state.patterns.by_name) == ["program/python3:8000"]


def test_what_is_given_up_keeps_its_pattern() -> None:
    """A run that failed is no longer at work."""
    world = World(service("web"))
    world.when(asked("up"))
    given_up(world, "web.1")
    assert world.state.patterns.by_name["service/web"].alive == {}


def test_ports_in_words() -> None:
    """Neighbours are drawn together."""
    assert ports_in_words(dict.fromkeys([8003, 80, 8000, 8001, 8002], 1)) == "80, 8000–8003"


def test_local_time_as_it_was_recorded() -> None:
    """Summer time begins and ends where the zone says so; before the first offset that one holds."""
    zone = Zone("Europe/Berlin", (UtcOffset(100, 3600), UtcOffset(200, 7200)))
    assert [zone.offset_minutes(at) for at in (50, 100, 199, 200, 300)] == [60, 60, 60, 120, 120]
    assert Zone().offset_minutes(7) == 0
    started = SupervisorStarted(pid=1, zone="Europe/Berlin", utc_offsets=zone.offsets)
    assert after((0, started)).zone == zone


def test_a_run_that_nobody_knows_changes_nothing() -> None:
    """What was started before patterns were kept ends without one."""
    assert after((0, RunStarted(instance="web.1", run=3, pid=1)), (1, RunExited(instance="web.1", run=3))) == Patterns()

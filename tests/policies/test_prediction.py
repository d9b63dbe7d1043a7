"""Starts that are expected: given weeks of a job, when its time comes, then its ports are held for it."""

from __future__ import annotations

import random

import msgspec

from events.catalog import (
    CommandReceived,
    Decision,
    PatternReviewScheduled,
    PortOpened,
    PortOwner,
    PortRefused,
    PortRequest,
    PortReserved,
    Predict,
    ReservationEnded,
    Service,
    SupervisorStarted,
    Value,
)
from nexus.policies.check import check
from projections.expectations import expectations
from tests.days import MINUTE, Days
from tests.given import asked, service

PORTS = tuple(PortRequest(name=f"p{number}", fixed=8000 + number) for number in range(4))
JOB = service("synthesis", *PORTS, task=True, autostart=False)
FREE = service("synthesis", PortRequest(), task=True, autostart=False)


def weeks(world: Days, days: range, hour: int = 9, minute: int = 0) -> list[Decision]:
    """The job starts on every workday, within two minutes."""
    found: list[Decision] = []
    for day in days:
        if day % 7 < 5:
            found += world.start("synthesis", world.at(day, hour, minute, 37 * day % 120))
    return found


def learned(job: Service = JOB) -> Days:
    """Three weeks of nine o'clock are over."""
    world = Days(job)
    weeks(world, range(21))
    return world


def reserved(decided: list[Decision]) -> list[PortReserved]:
    """What is held."""
    return [it for it in decided if isinstance(it, PortReserved)]


def ended(decided: list[Decision]) -> list[ReservationEnded]:
    """What is let go."""
    return [it for it in decided if isinstance(it, ReservationEnded)]


def test_the_example_of_the_mission() -> None:
    """After three weeks of nine o'clock the four ports are held at 8:55, and the job starts on them at once."""
    world = learned()
    assert reserved(world.until(world.at(21, 8, 54, 59))) == []
    held = reserved(world.until(world.at(21, 8, 55)))
    assert [it.port for it in held] == [8000, 8001, 8002, 8003]
    assert held[0].values["pattern"] == "workdays 8:59–9:02, 15 of 15"
    assert (held[0].values["for"], held[0].values["lead_minutes"]) == ("synthesis", 5)
    assert held[0].rejected[0].option == "hold nothing"
    assert {it.state for it in world.state.leases.by_name.values()} == {"held"}
    came = ended(world.start("synthesis", world.at(21, 9, 0, 30)))
    assert (came[0].port, came[0].came, came[0].rule) == (8000, True, "prediction.came_true")
    assert world.instance("synthesis.1").state == "completed"
    assert list(check(world.history)) == []


def test_a_weekend_and_a_holiday_pass() -> None:
    """Nothing is held on a Saturday; on a holiday the ports are let go when the time is over, and held the next day."""
    world = learned()
    assert reserved(world.until(world.at(21, 0))) == []
    assert len(reserved(world.until(world.at(21, 8, 55)))) == 4
    sure = world.state.reservations.by_lease["synthesis.1/p0"]
    missed = ended(world.until(world.at(21, 12)))
    assert [(it.came, it.rule) for it in missed] == [(False, "prediction.missed")] * 4
    assert missed[0].values["held for minutes"] == 8.0
    assert sure.until == world.at(21, 9, 3)
    assert {it.state for it in world.state.leases.by_name.values()} == {"idle"}
    assert len(reserved(world.until(world.at(22, 8, 56)))) == 4


def test_a_prediction_that_fails_lowers_its_own_confidence() -> None:
    """The chance that is claimed the day after is lower, and it is said on how many of the last days it held."""
    world = learned()
    before = reserved(world.until(world.at(21, 9)))[0]
    after = reserved(world.until(world.at(22, 9)))[0]
    assert float(after.values["sure"] or 0) < float(before.values["sure"] or 0)
    assert after.values["pattern"] == "workdays 8:59–9:02, 14 of 15"


def test_what_has_ended_is_no_longer_expected() -> None:
    """After four days on which it did not come nothing is held."""
    world = learned()
    assert len(reserved(world.until(world.at(25, 0)))) == 4 * 4
    assert reserved(world.until(world.at(60, 0))) == []


def test_a_shift_is_followed() -> None:
    """The job moves to 9:30: after three days of that it is expected there, and after one more no longer at nine."""
    world = learned()
    weeks(world, range(21, 24), 9, 30)
    held = reserved(weeks(world, range(24, 25), 9, 30))
    assert {it.until for it in held} == {world.at(24, 9, 3), world.at(24, 9, 33)}
    held = reserved(weeks(world, range(25, 26), 9, 30))
    assert {it.until for it in held} == {world.at(25, 9, 33)}
    assert str(held[0].values["pattern"]).startswith("lately")


def test_ports_of_a_program_that_is_none_of_ours_are_kept_for_it() -> None:
    """Nexus gives 8001 to nobody else at that time, and the program finds all four."""
    world = Days(FREE)
    for day in range(21):
        if day % 7 < 5:
            world.listen(world.at(day, 9, 0, 37 * day % 120), 8000, 8001, 8002, 8003)
    held = reserved(world.until(world.at(21, 8, 56)))
    assert [it.port for it in held] == [8000, 8001, 8002, 8003]
    assert held[0].values["for"] == "python3 on 8000–8003"
    arguments: dict[str, Value] = {"lease": "ci", "first": 8001, "last": 8010}
    granted = world.when(CommandReceived(verb="lease", arguments=arguments))
    assert granted[0].rejected[0].reason == "leased to program/python3:8000/8001"
    came = ended(world.listen(world.at(21, 9, 1), 8000, 8001, 8002, 8003))
    assert [it.came for it in came] == [True] * 4
    assert world.state.reservations.by_lease == {}
    assert list(check(world.history)) == []


def test_a_port_that_a_stranger_has_is_replaced_ahead() -> None:
    """A service that takes any port gets another one before its time comes."""
    world = learned(FREE)
    world.until(world.at(21, 8, 50))
    before = world.state.leases.by_name["synthesis.1/main"].port
    world.ports_held = False
    world.until(world.at(21, 8, 55))
    world.ports_held = True
    again = reserved(world.when(PortRefused(lease="synthesis.1/main", port=before, reason="in use")))
    assert [it.port for it in again] == [before + 1]
    assert world.state.leases.by_name["synthesis.1/main"].state == "held"


def test_a_fixed_port_that_a_stranger_has_stays_his() -> None:
    """It is asked for once, and not again before the time is over."""
    world = learned()
    world.ports_held = False
    world.until(world.at(21, 8, 55))
    refused = [PortRefused(lease=f"synthesis.1/p{it}", port=8000 + it, reason="in use") for it in range(4)]
    assert reserved(world.when(*refused)) == []
    assert [it.came for it in ended(world.until(world.at(21, 10)))] == [False] * 4


def test_who_does_not_want_it_is_left_alone() -> None:
    """With predict off, or without any port, nothing is held."""
    world = learned(msgspec.structs.replace(JOB, predict=Predict(ports="off")))
    assert reserved(world.until(world.at(21, 10))) == []
    world = learned(service("synthesis", task=True, autostart=False))
    assert reserved(world.until(world.at(21, 10))) == []


def test_a_service_that_runs_needs_nothing_held() -> None:
    """Its ports are its own already."""
    world = learned()
    world.until(world.at(21, 8, 40))
    world.when(asked("start", "synthesis"))
    assert reserved(world.until(world.at(21, 10))) == []


def test_a_program_that_is_there_needs_nothing_held() -> None:
    """Nor does one whose port somebody else has."""
    world = Days(FREE)
    for day in range(21):
        if day % 7 < 5:
            world.listen(world.at(day, 9, 0, 37 * day % 120), 8000)
    world.until(world.at(21, 8, 40))
    world.when(PortOpened(port=8000, address="127.0.0.1", owners=(PortOwner(pid=9, command="other"),)))
    assert reserved(world.until(world.at(21, 12))) == []
    world.listen(world.at(22, 8, 20), 8000, for_minutes=60)
    assert reserved(world.until(world.at(22, 12))) == []


def test_a_new_supervisor_holds_again_what_is_due() -> None:
    """The sockets of the last one ended with it."""
    world = learned()
    world.until(world.at(21, 8, 55))
    assert len(reserved(world.when(SupervisorStarted(pid=2), after_seconds=5))) == 4


def test_a_supervisor_that_goes_lets_go() -> None:
    """Whatever is due, and nothing is looked at again."""
    world = learned()
    world.until(world.at(21, 8, 55))
    decided = world.when(asked("down"))
    assert [it.rule for it in ended(decided)] == ["prediction.going"] * 4
    assert not [it for it in decided if isinstance(it, PatternReviewScheduled)]


def test_chance_is_left_to_chance() -> None:
    """A job that comes at any time of the day is not expected at all."""
    world, dice = Days(FREE), random.Random(8)
    for day in range(40):
        world.start("synthesis", world.at(day, dice.randrange(23), dice.randrange(60)))
    assert expectations(world.state.patterns) == []
    assert not [it for it in world.history if isinstance(it.event, PortReserved)]


def test_each_decision_is_caused_by_what_made_it_due() -> None:
    """The holding by the deadline that came, its end by the start."""
    world = learned()
    held = reserved(world.until(world.at(21, 8, 55)))
    assert world.cause(held[0]).kind() == "deadline.reached"
    came = ended(world.start("synthesis", world.at(21, 9)))
    assert world.cause(came[0]).kind() == "start.decided"
    assert world.state.at // MINUTE % 1440 == 9 * 60 + 30

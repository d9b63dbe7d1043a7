"""Seven weeks of a job in the simulated world, as the command line tells them afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from events.catalog import (
    CommandReceived,
    Decision,
    PortRequest,
    PortReserved,
    ReservationEnded,
    SupervisorStarted,
    UtcOffset,
)
from events.envelope import Draft, Recorded
from events.log import Log
from nexus.controller import Effect
from nexus.effectors.leases import LeaseEffector
from nexus.platforms.simulated_world import CALM, World
from projections.moments import micros
from tests.cli.homes import quickly
from tests.given import declared, service
from tests.test_controller import Life

JOB = service("synthesis", *(PortRequest(f"p{it}", 8000 + it) for it in range(4)), task=True, autostart=False)
BERLIN = SupervisorStarted(pid=1, zone="Europe/Berlin", utc_offsets=(UtcOffset(0, 3600),))
FIRST_MONDAY = datetime(2023, 11, 20, tzinfo=UTC)
HOLIDAY, SHIFT, END, LAST = 22, 23, 33, 47
"""Days from the first Monday: after three weeks of nine o'clock a holiday, then half past nine, then nothing more."""


class Weeks(Life):
    """One supervisor for seven weeks; the job is started by the clock, local time, on every workday."""

    def __init__(self) -> None:
        super().__init__(World(1, CALM, ["synthesis"], ["synthesis"]))
        self.controller.recover(BERLIN, declared(JOB))
        for day in range(LAST):
            if day % 7 < 5 and day != HOLIDAY and day < END:
                self.until(moment(day, 9, 30 if day >= SHIFT else 0) + 37 * day % 60 * 1_000_000)
                self.controller.turn([Draft(CommandReceived(verb="start", services=("synthesis",)))])
        self.until(moment(LAST, 0))

    def _effects(self) -> dict[type[Decision], Effect]:
        leases = LeaseEffector(self.platform.sockets)
        ahead: dict[type[Decision], Effect] = {PortReserved: leases.reserve, ReservationEnded: leases.unreserve}
        return super()._effects() | {kind: self._counting(effect) for kind, effect in ahead.items()}

    def until(self, at: int) -> None:
        """Let the world go on up to a moment."""
        self.look((at - self.platform.clock.now()) / 1e6)


def moment(day: int, hour: int, minute: int = 0) -> int:
    """Local time of Berlin in winter, as µs UTC."""
    return micros(FIRST_MONDAY + timedelta(days=day, hours=hour - 1, minutes=minute))


@pytest.fixture(scope="module")
def history() -> list[Recorded]:
    """The seven weeks."""
    return Weeks().log.history


@pytest.fixture(scope="module")
def home(history: list[Recorded], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with their log."""
    path = tmp_path_factory.mktemp("weeks")
    with Log.open(path, now=lambda: history[0].at, ballast_bytes=4096) as log:
        log.append(history[1:])
    return path


def on(history: list[Recorded], day: int, *kinds: type[Decision]) -> list[Recorded]:
    """What was decided on a day."""
    found = [it for it in history if isinstance(it.event, kinds or (PortReserved, ReservationEnded))]
    return [it for it in found if moment(day, 0) <= it.at < moment(day + 1, 0)]


def told(home: Path, *command: str) -> Any:
    """The JSON of a command."""
    result = quickly(home, *command, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_the_ports_are_there_at_five_to_nine(history: list[Recorded]) -> None:
    """On the fourth Monday the four ports are held from 8:55, and the start is decided in the turn that asks for it."""
    held = on(history, 21, PortReserved)
    assert [it.event.port for it in held if isinstance(it.event, PortReserved)] == [8000, 8001, 8002, 8003]
    assert {it.at for it in held} == {moment(21, 8, 55)}
    asked = next(it for it in history if it.event.kind() == "command.received" and it.at >= moment(21, 9))
    start = next(it for it in history if it.event.kind() == "start.decided" and it.seq > asked.seq)
    assert (start.at, start.cause is not None) == (asked.at, True)
    came = on(history, 21, ReservationEnded)
    assert [it.event.came for it in came if isinstance(it.event, ReservationEnded)] == [True] * 4


def test_weekends_a_holiday_a_shift_and_the_end(history: list[Recorded]) -> None:
    """Nothing on Saturdays; let go on the holiday; half past nine costs one miss; the end costs three."""
    assert [on(history, day) for day in (19, 20, 26, 27)] == [[], [], [], []]
    missed = on(history, HOLIDAY, ReservationEnded)
    assert {it.event.rule for it in missed if isinstance(it.event, Decision)} == {"prediction.missed"}
    assert moment(HOLIDAY, 9, 1) < missed[0].at < moment(HOLIDAY, 9, 15)
    came = {day: [it for it in on(history, day, ReservationEnded) if _came(it)] for day in range(SHIFT, END)}
    assert [day for day, ended in came.items() if day % 7 < 5 and not ended] == [SHIFT]
    settled = {it.at for day in range(SHIFT + 7, END) for it in on(history, day, PortReserved)}
    assert settled == {moment(day, 9, 25) for day in range(SHIFT + 7, END) if day % 7 < 5}
    assert [day for day in range(END, LAST) if on(history, day)] == [35, 36, 37]


def _came(it: Recorded) -> bool:
    return isinstance(it.event, ReservationEnded) and it.event.came


def test_each_decision_is_explained(history: list[Recorded], home: Path) -> None:
    """By its rule, what it is for, how often that was so, the ways that were not taken, and the deadline behind it."""
    held, missed = on(history, HOLIDAY, PortReserved)[0], on(history, HOLIDAY, ReservationEnded)[0]
    why = told(home, "explain", str(held.seq))
    assert (why["rule"], why["values"]["for"]) == ("prediction.hold", "synthesis")
    assert why["values"]["pattern"] == "workdays 8:59–9:01, 15 of 15"
    assert "hold nothing" in [it["option"] for it in why["rejected"]]
    assert why["causes"][0]["kind"] == "deadline.reached"
    assert [it["kind"] for it in why["outcome"]] == ["port.held"]
    why = told(home, "explain", str(missed.seq))
    assert (why["rule"], why["rejected"][0]["option"]) == ("prediction.missed", "hold it longer")
    for day in (21, HOLIDAY, SHIFT + 5):
        for it in on(history, day):
            assert quickly(home, "explain", str(it.seq)).exit_code == 0


def test_the_same_history_gives_the_same_decisions(history: list[Recorded], home: Path) -> None:
    """Replay finds nothing that would be decided otherwise."""
    checked = told(home, "replay", "--check")
    assert checked["differences"] == []
    assert checked["checked"] == sum(isinstance(it.event, Decision) for it in history)


def test_patterns_at_a_moment(home: Path, history: list[Recorded]) -> None:
    """As a person asks for them on that morning: the sentence, how sure it is, and what is held."""
    with freeze_time(FIRST_MONDAY + timedelta(days=21, hours=7, minutes=57)):
        printed = quickly(home, "patterns", "--at", "1 min ago").stdout
        assert "synthesis: holds its ports" in printed
        assert "workdays 8:59–9:01 15 of 15 97%" in " ".join(printed.split())
        due = quickly(home, "patterns", "--due", "--at", "1 min ago").stdout
    assert due.startswith("07:59:00 to 08:02:00: synthesis on 8000, 8001, 8002, 8003, held for it (workdays")
    assert told(home, "patterns")["patterns"][0]["starts"] == sum(
        it.event.kind() == "run.started" for it in history
    )  # fmt: skip
    assert quickly(home, "patterns", "--due").stdout == "nothing more is expected today\n"
    assert quickly(home, "patterns", "--at", "2").stdout == "nothing has started yet\n"
    assert told(home, "patterns", "--due")["predictions"] == []

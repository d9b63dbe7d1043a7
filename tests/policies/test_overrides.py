"""What would have been decided with other settings."""

from __future__ import annotations

import re

import pytest

from events.catalog import PortRequest, Probe, Restart, RestartScheduled, ServiceGivenUp, StartDecided
from nexus.policies.check import Difference, check
from nexus.policies.overrides import known_settings, with_overrides
from nexus.policies.step import POLICIES
from projections.state import State
from tests.given import SECOND, World, asked, given_up, service


def incident() -> World:
    """Two services that always fail, the second with a probe that answers at first."""
    world = World(service("web", restart=Restart(attempts_max=2)), service("api", PortRequest(), probe=True))
    world.when(asked("up"))
    world.passes("api.1")
    given_up(world, "web.1")
    world.exits("api.1")
    return world


def differences(world: World, **overrides: str) -> list[Difference]:
    """What would have been decided otherwise."""
    named = {key.replace("__", "."): text for key, text in overrides.items()}
    return list(check(world.history, overrides=named))


def test_without_overrides_the_policies_are_the_same() -> None:
    """The very same functions."""
    assert with_overrides(POLICIES, {}) == POLICIES
    assert differences(incident()) == []


def test_one_more_try() -> None:
    """Where it was given up, it would have been tried again; the other service is left alone."""
    world = incident()
    found = differences(world, web__restart__attempts_max="3")
    kinds = [(it.recorded and it.recorded.event.kind(), it.now and it.now.event.kind()) for it in found]
    assert ("service.given_up", None) in kinds
    assert (None, "restart.scheduled") in kinds
    scheduled = next(it.now.event for it in found if it.now and isinstance(it.now.event, RestartScheduled))
    assert (scheduled.instance, scheduled.attempt, scheduled.values["tries"]) == ("web.1", 1, 3)


def test_a_setting_of_all_services() -> None:
    """Every failure would have been answered with another delay."""
    found = differences(incident(), restart__delays="500ms, 1m")
    scheduled = [it.now.event for it in found if it.now and isinstance(it.now.event, RestartScheduled)]
    assert [(it.instance, it.attempt, it.values["delay_seconds"]) for it in scheduled] == [
        ("web.1", 1, 0.5), ("web.1", 2, 60.0), ("api.1", 1, 0.5),
    ]  # fmt: skip


def test_a_setting_of_the_service_itself() -> None:
    """Only what has a probe has a bounded start, and so only that would have begun otherwise."""
    found = differences(incident(), start_timeout="30s")
    (only,) = found
    assert only.recorded is not None
    assert only.now is not None
    assert isinstance(only.recorded.event, StartDecided)
    assert isinstance(only.now.event, StartDecided)
    assert only.now.event.ready_by == only.now.at + 30 * SECOND
    assert (only.seq, only.now.event.instance) == (only.recorded.seq, "api.1")


def test_a_probe_setting_leaves_alone_what_has_no_probe() -> None:
    """There is nothing to change."""
    assert differences(incident(), web__probe__interval="1h") == []


def test_no_setting_is_a_value_too() -> None:
    """`none` as the number of tries means as many as there are delays."""
    found = differences(incident(), web__restart__attempts_max="none")
    given_up_then = [it for it in found if it.recorded and isinstance(it.recorded.event, ServiceGivenUp)]
    assert given_up_then != []


@pytest.mark.parametrize(("key", "text", "problem"), [
    ("restart.colour", "red", "restart.colour: there is no such setting; known are start_timeout, stop_timeout,"),
    ("nonsense", "1", "nonsense: there is no such setting"),
    ("other.section.when", "1", "other.section.when: there is no such setting"),
    ("command", "rm", "command: there is no such setting"),
    ("restart.attempts_max", "many", "restart.attempts_max = 'many': Expected `int | null`, got `str`"),
    ("restart.delays", "1s, soon", "restart.delays = '1s, soon': expected a duration such as 500ms, 2s or 1m"),
    ("start_timeout", "-1", "start_timeout = '-1': expected a duration such as 500ms, 2s or 1m"),
])  # fmt: skip
def test_what_is_no_override(key: str, text: str, problem: str) -> None:
    """The key is named, with what was expected."""
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        check([], overrides={key: text})


def test_a_service_that_is_not_declared() -> None:
    """It is found out once something is declared, and those that are known are named."""
    with pytest.raises(ValueError, match=r"^wbe\.attempts_max: there is no service 'wbe'; known: api, web$"):
        differences(incident(), wbe__restart__attempts_max="3")
    (policy,) = with_overrides([lambda _: []], {"wbe.task": "true"})
    assert list(policy(State())) == []


def test_every_known_setting_can_be_typed() -> None:
    """As it is shown; each field of a restart and of a probe is among them."""
    known = known_settings()
    assert len(set(known)) == len(known)
    assert {"start_timeout", "restart.delays", "probe.interval", "replicas"} <= set(known)
    assert len(known) == 6 + len(Restart.__struct_fields__) + len(Probe.__struct_fields__)

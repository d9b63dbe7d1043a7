"""Seeded worlds in which nothing breaks that must hold; a failing seed is named and runs again."""

from __future__ import annotations

import functools

import pytest

from nexus.platforms.simulated_world import Faults
from tests.simulation.run import worse
from tests.simulation.simulation import Summary, simulate

SLICE = ((0, 6.0, 1.0), (1, 6.0, 1.0), (2, 2.0, 5.0), (3, 2.0, 5.0), (4, 1.0, 10.0))
"""Seed, hours and how many times the usual faults."""

EXPECTED = frozenset({
    "crashes", "crashes at once", "never gets ready", "starts slowly", "answers badly", "ignores TERM",
    "leaves a straggler", "a stranger takes a port", "a program is missing", "a program is crashing",
    "a program is hanging", "a program is answering badly", "the clock is stepped", "the disk is full",
    "the disk is slow", "the machine restarts", "supervisor killed while it waits", "supervisor killed before a commit",
    "supervisor killed after a commit", "the configuration is changed", "rotations",
    "a port is held ahead",
})  # fmt: skip
"""The faults that even the slice goes through."""


@functools.cache
def lived(seed: int, hours: float, times: float) -> Summary:
    """What a world went through; each is gone through once."""
    return simulate(seed, hours, worse(times))


@pytest.mark.parametrize(("seed", "hours", "times"), SLICE)
def test_hours_of_faults_break_nothing(seed: int, hours: float, times: float) -> None:
    """Each invariant holds in each of these worlds, in the calm after the faults, and in the shutdown."""
    assert lived(seed, hours, times).events > 500


def test_the_slice_meets_every_fault() -> None:
    """The worlds above go through every kind of fault."""
    assert EXPECTED - {fault for world in SLICE for fault in lived(*world).faults} == set()


def test_the_same_seed_is_the_same_world() -> None:
    """Two runs of a seed give the same history, so that a failure can be looked at again."""
    first, again = (simulate(7, 0.3, worse(5)) for _ in range(2))
    assert first == again


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_long_hours_of_faults_break_nothing(seed: int) -> None:
    """The same for two hundred hours in twenty other worlds."""
    assert simulate(seed, 10.0, Faults()).hours == 10.0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(200, 220))
def test_long_hours_of_many_faults_break_nothing(seed: int) -> None:
    """The same for forty hours with five times as many faults."""
    assert simulate(seed, 2.0, worse(5)).hours == 2.0

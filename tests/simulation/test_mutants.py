"""The simulation finds the mistakes that are planted in it, and finds none where there is none."""

from __future__ import annotations

import msgspec
import pytest

from events.errors import LogError, OutOfOrderError
from nexus.platforms.simulated_world import Faults
from nexus.policies.step import UnsettledError
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.run import worse
from tests.simulation.simulation import simulate
from tests.simulation.witness import BrokenInvariantError

SEEDS = range(40)
FOUND = (BrokenInvariantError, UnsettledError, OutOfOrderError, LogError, AssertionError, KeyError)
"""How a mistake shows: an invariant breaks, the policies come to no end, or the machinery refuses to go on."""


def fierce(times: float) -> Faults:
    """So many times the usual faults, with a supervisor that is killed often in the middle of things."""
    return msgspec.structs.replace(worse(times), kill_at_act=0.01 if times > 1 else 0.0005)


def found_by(mutant: Mutant, seeds: range = SEEDS) -> str:
    """What the first seed that finds the mistake says of it; empty when none does."""
    faults = fierce(mutant.times)
    with mutant.planted():
        for seed in seeds:
            try:
                simulate(seed, mutant.hours, faults, mutant.policies)
            except FOUND as error:
                return f"seed {seed}: {type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_mistake_is_found(mutant: Mutant) -> None:
    """Some seed breaks an invariant."""
    assert found_by(mutant)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    """The same worlds break no invariant without a mistake."""
    assert not found_by(Mutant("none"), range(3))

"""The benchmark of the log measures what it says, on small numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bench import __main__ as frame
from bench import log
from bench.history import Machine
from projections.history import SNAPSHOT_EVERY
from projections.state import State, evolve_all


def test_the_history_is_one_that_happens() -> None:
    """It can be folded, and at its end the services run."""
    events = list(Machine().events(5_000))
    assert [it.seq for it in events] == list(range(2, 5_002))
    assert all(it.cause is None or it.cause < it.seq for it in events)
    state = evolve_all(State(), events)
    assert {it.state for it in state.services.instances.values()} <= {"running", "starting", "waiting"}
    assert any(it.state == "running" for it in state.services.instances.values())
    assert len({type(it.event) for it in events}) >= 9


def test_everything_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The names are those that the design gives them, and each is a positive number."""
    monkeypatch.setattr(log, "QUICK", (2_000, SNAPSHOT_EVERY + 2_000))
    monkeypatch.setattr(log, "ROUNDS", 1)
    monkeypatch.setattr(sys, "argv", ["bench", "log", "--quick", "--json"])
    assert frame.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["name", "machine", "date", "figures", "ratios"]
    assert set(found["ratios"]) == {"append_vs_raw", "append_vs_eventsourcing", "verify_vs_scan"}
    assert {"replay_events_per_cpu_s", "moment_ms"} <= set(found["figures"]["nexus"])
    assert set(found["figures"]) == {"nexus", "raw sqlite", "nexus from values", "eventsourcing"}
    values = [value for subject in found["figures"].values() for value in subject.values()]
    assert all(value > 0 for value in [*values, *found["ratios"].values()])


def test_a_table_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json, one row for each measure."""
    result = {
        "name": "log", "machine": {"cores": 2}, "date": "today",
        "figures": {"nexus": {"speed": 1234.5}, "other": {"speed": 2, "weight": 0.5}}, "ratios": {"faster": 1.5},
    }  # fmt: skip
    frame.show(result, Console(width=100))
    shown = capsys.readouterr().out
    for word in ("speed", "1,23", "weight", "faster", "1.5", "cores 2"):
        assert word in shown


def test_an_unknown_benchmark_is_refused() -> None:
    """The error names those that there are."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench", "nonsense"], capture_output=True, text=True, check=False,
        cwd=Path(log.__file__).parent.parent,
    )  # fmt: skip
    assert answer.returncode == 2
    assert "log" in answer.stderr

"""Known causes of trouble, each made to happen."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest

from events import files
from events.catalog import CommandReceived, ConfigurationLoaded, PortPool
from events.envelope import Recorded
from events.lock import Lock
from nexus.cli.checks import Check, checks
from nexus.platforms.sockets import SystemSockets
from tests.cli.homes import BEGAN, record


def found(start: Path, home: Path | None) -> dict[str, Check]:
    """The checks by name."""
    return {check.name: check for check in checks(start, home)}


def test_a_new_project(tmp_path: Path) -> None:
    """Nothing is wrong where nothing has happened yet."""
    (tmp_path / "nexus.toml").write_text('[services.web]\ncommand = "web"\n')
    looked = found(tmp_path, tmp_path / ".nexus")
    assert {name: it.result for name, it in looked.items() if it.result == "fail"} == {}
    assert looked["configuration"].result == "ok"
    assert looked["log"].found == "nothing has been recorded yet"
    assert looked["supervisor"].found == "none runs"


def test_no_project_at_all(tmp_path: Path) -> None:
    """The machine is looked at all the same."""
    looked = found(tmp_path, None)
    assert {"packages", "sqlite", "configuration"} <= set(looked)
    assert "log" not in looked


def test_every_complaint_has_advice(tmp_path: Path) -> None:
    """Whatever is not ok says what to do."""
    for check in checks(tmp_path, record(tmp_path)):
        assert check.result == "ok" or check.advice, check


def test_a_clock_behind_the_history(tmp_path: Path) -> None:
    """The last event lies in the future."""
    future = time.time_ns() // 1000 + 3_600_000_000
    home = record(tmp_path, [Recorded(2, future, CommandReceived(verb="up"))])
    clock = found(tmp_path, home)["clock"]
    assert (clock.result, "before the last event" in clock.found) == ("warn", True)


def test_a_pool_that_the_system_uses_too(tmp_path: Path) -> None:
    """The ephemeral range and the pool must not meet."""
    first, last = SystemSockets().ephemeral_range()
    loaded = ConfigurationLoaded(project="p", pool=PortPool(first=last, last=last + 10))
    home = record(tmp_path, [Recorded(2, BEGAN + 1, loaded)])
    ports = found(tmp_path, home)["ports"]
    assert ports.result == "warn"
    assert f"{first}-{last}" in ports.advice


def test_a_head_that_does_not_fit(tmp_path: Path) -> None:
    """The head outside names another event than the log has; without it less is known."""
    home = record(tmp_path)
    assert found(tmp_path, home)["log"].result == "ok"
    kept = files.read_head(home)
    assert kept is not None
    for changes, words in (({"hash": "00" * 32}, "is not the one"), ({"seq": 99}, "is missing")):
        files.write_head(home, msgspec.structs.replace(kept, **changes))
        log = found(tmp_path, home)["log"]
        assert (log.result, words in log.found) == ("fail", True)
    (home / files.HEAD).unlink()
    assert found(tmp_path, home)["log"].result == "warn"


def test_a_supervisor_that_does_not_answer(tmp_path: Path) -> None:
    """Somebody holds the log and is silent."""
    home = record(tmp_path)
    lock = Lock(home / files.LOCK)
    try:
        supervisor = found(tmp_path, home)["supervisor"]
    finally:
        lock.close()
    assert supervisor.result == "warn"
    assert f"pid {os.getpid()} holds the log" in supervisor.found


def test_a_log_that_is_none(tmp_path: Path) -> None:
    """A check that can't be made is a finding of its own."""
    (tmp_path / "events-000001.db").write_text("no database" * 1000)
    (tmp_path / files.HEAD).write_text("no head")
    assert found(tmp_path, tmp_path)["log"].result == "fail"


def test_few_files(tmp_path: Path) -> None:
    """A low limit is told before it hurts."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        assert found(tmp_path, None)["open files"].result == "warn"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

"""The log's own thread."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from events import files, keeper
from events.files import OutsideHead
from events.keeper import Keeper
from tests.waiting import until


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and a keeper's time that passes quickly."""
    monkeypatch.setattr(keeper, "LINGER_SECONDS", 0.01)
    monkeypatch.setattr(keeper, "BALLAST_EVERY_SECONDS", 0.0)
    return tmp_path / "home"


def test_a_head_that_can_not_be_written_is_tried_again(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, not at every try, and nothing has to happen for it to come right."""
    it = Keeper(place, lambda: OutsideHead("log", 7, 1, ""), 4096)
    with caplog.at_level(logging.WARNING):
        it.start()
        it.keep_head()
        it.wake.set()
        until(lambda: not it.wake.is_set() or it._failing, what="a failure")
        place.mkdir()
        until(lambda: files.HEAD in {path.name for path in place.iterdir()}, what="the head")
        it.close()
    assert files.read_head(place) == OutsideHead("log", 7, 1, "")
    assert sum("head of the log" in record.message for record in caplog.records) == 1


def test_room_is_looked_for_again(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A home without room for the ballast gets one later."""
    it = Keeper(place, lambda: OutsideHead("log", 7, 1, ""), 4096)
    it.start()
    without = it.has_ballast
    place.mkdir()
    it.wake.set()
    until(lambda: it.has_ballast, what="the ballast")
    it.close()
    assert not without
    assert (place / files.BALLAST).stat().st_size == 4096
    assert any("no room for the ballast" in record.message for record in caplog.records)


def test_an_idle_keeper_sleeps(place: Path) -> None:
    """Without events nothing is written."""
    place.mkdir()
    it = Keeper(place, lambda: OutsideHead("log", 7, 1, ""), 4096)
    it.start()
    it.keep_head()
    before = (place / files.HEAD).stat().st_mtime_ns
    it.wake.set()
    until(lambda: not it.wake.is_set(), what="the keeper")
    it.close()
    assert (place / files.HEAD).stat().st_mtime_ns == before

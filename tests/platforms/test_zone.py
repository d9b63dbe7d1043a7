"""The local zone is recorded as the zone database has it."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from nexus.platforms.zone import local_zone
from projections.moments import micros
from projections.zone import Zone

NOW = micros(datetime(2026, 1, 15, tzinfo=UTC))

if sys.platform != "win32":

    @pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
    def test_offsets_are_those_of_the_zone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """At every noon of ten years, and to the second where summer time begins."""
        monkeypatch.setenv("TZ", name)
        time.tzset()
        try:
            named, offsets = local_zone(NOW)
        finally:
            monkeypatch.undo()
            time.tzset()
        zone, here = Zone(named, offsets), ZoneInfo(name)
        assert named == name
        for day in range(0, 3650, 7):
            at = NOW + day * 86_400_000_000
            delta = datetime.fromtimestamp(at / 1e6, here).utcoffset()
            assert delta is not None
            assert zone.offset_minutes(at) == delta.total_seconds() // 60
        for change in offsets[1:]:
            before = datetime.fromtimestamp(change.since / 1e6 - 1, here).utcoffset()
            assert before != datetime.fromtimestamp(change.since / 1e6, here).utcoffset()

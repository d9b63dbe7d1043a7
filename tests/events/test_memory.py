"""The log that simulation uses."""

from __future__ import annotations

import pytest

from events.memory import MemoryLog
from tests.events.conformance import LogConformance
from tests.events.samples import NOON


class TestMemoryLog(LogConformance):
    """It keeps every promise that can be kept without a disk."""

    @pytest.fixture
    def log(self) -> MemoryLog:
        """A new one."""
        return MemoryLog("test", at=NOON)

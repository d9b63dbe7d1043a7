"""Real machines for the tests of the platforms."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "linux":
    from tests.platforms.linux_machine import LinuxMachine

    @pytest.fixture
    def linux(tmp_path: Path) -> Iterator[LinuxMachine]:
        """A Linux machine with a home of its own."""
        machine = LinuxMachine(tmp_path / "home")
        yield machine
        machine.close()

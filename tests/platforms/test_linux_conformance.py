"""The real Linux machine does what every world must do."""

from __future__ import annotations

import pytest

from tests.platforms.conformance import ProcessesConformance, SocketsConformance, TimeConformance
from tests.platforms.linux_machine import LinuxMachine


@pytest.fixture
def machine(linux: LinuxMachine) -> LinuxMachine:
    """The world that is tested."""
    return linux


class TestProcesses(ProcessesConformance):
    """Real processes."""


class TestSockets(SocketsConformance):
    """Real sockets."""


class TestTime(TimeConformance):
    """Real time."""

"""Real ports: held, let go, and looked up."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from nexus.platforms.sockets import SystemSockets
from tests.platforms.linux_machine import LinuxMachine


@pytest.fixture
def port(linux: LinuxMachine) -> int:
    """A port that nobody has."""
    return linux.free_port


def test_the_owner_is_named_and_its_arguments_are_not(port: int) -> None:
    """A command line may hold secrets: the executable has to do."""
    with socket.create_server(("127.0.0.1", port)):
        (owner,) = SystemSockets().owners(port)
    assert owner.pid == os.getpid()
    assert owner.command == os.path.basename(os.path.realpath(sys.executable))
    assert owner.user
    assert owner.since


def test_a_udp_port_is_another_port(port: int) -> None:
    """TCP and UDP of one number are held and owned apart."""
    sockets = SystemSockets()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", port))
        assert [owner.pid for owner in sockets.owners(port, "udp")] == [os.getpid()]
        assert not list(sockets.owners(port))
        assert sockets.hold(port, "127.0.0.1", "tcp") is None
        assert sockets.hold(port, "127.0.0.1", "udp") == f"port {port} is in use on 127.0.0.1"
    sockets.release(port)


def test_holding_what_is_held_is_no_trouble(port: int) -> None:
    """The same lease may be held again after a recovery."""
    sockets = SystemSockets()
    assert sockets.hold(port, "127.0.0.1", "tcp") is None
    assert sockets.hold(port, "127.0.0.1", "tcp") is None
    assert SystemSockets().hold(port, "127.0.0.1", "tcp") is not None
    sockets.release(port)


@pytest.mark.parametrize(
    ("number", "host", "expected"),
    [(70_000, "127.0.0.1", "70000"), (0, "192.0.2.1", "192.0.2.1 is no address of this machine")],
)
def test_what_can_not_be_held_says_why(number: int, host: str, expected: str) -> None:
    """Each reason is told in words."""
    assert expected in str(SystemSockets().hold(number, host, "tcp"))


def test_a_listener_on_all_addresses_is_found(port: int) -> None:
    """v4, v6 and wildcard listeners all take the port."""
    with socket.create_server(("::", port), family=socket.AF_INET6):
        assert [owner.pid for owner in SystemSockets().owners(port)] == [os.getpid()]

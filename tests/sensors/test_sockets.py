"""What the socket sensor posts of real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from events.catalog import Event, PortClosed, PortOpened
from events.envelope import Draft
from nexus.platforms.base import Inventory
from nexus.platforms.portable_inventory import PortableInventory
from nexus.platforms.sockets import SystemSockets
from nexus.sensors.sockets import SocketSensor
from projections.ports import endpoint
from tests.waiting import until

EPHEMERAL = (32_768, 60_999)


class Posted:
    """A sensor whose observations about one port are kept."""

    def __init__(
        self, port: int, ephemeral: tuple[int, int] = EPHEMERAL, inventory: Inventory | None = None, me: int = 0
    ) -> None:  # fmt: skip
        self.port, self.events = port, list[Event]()
        self.sensor = SocketSensor(inventory or PortableInventory(), self._post, self._ours, ephemeral, me)

    def _post(self, draft: Draft) -> None:
        if getattr(draft.event, "port", None) == self.port:
            self.events.append(draft.event)

    def _ours(self, pid: int) -> str:
        return "web.1" if pid == os.getpid() else ""


def listening() -> socket.socket:
    """A TCP listener on a port of its own."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen()
    return made


def test_an_opened_port_names_the_instance_and_its_owner() -> None:
    """Opened once, closed once, and whose it is."""
    with listening() as made:
        posted = Posted(made.getsockname()[1])
        posted.sensor.look()
        posted.sensor.look()
        (opened,) = posted.events
        assert isinstance(opened, PortOpened)
        assert (opened.instance, opened.owners[0].pid, opened.owners[0].service) == ("web.1", os.getpid(), "web")
    posted.sensor.look()
    assert posted.events[1:] == [PortClosed(port=posted.port, address="127.0.0.1")]


def test_what_the_history_knows_is_not_told_again_and_what_has_gone_is_told() -> None:
    """After a restart of the supervisor only the differences are news."""
    with listening() as made:
        port = made.getsockname()[1]
        posted = Posted(port)
        posted.sensor.look([endpoint("tcp", "127.0.0.1", port), endpoint("tcp", "127.0.0.9", port)])
    assert posted.events == [PortClosed(port=port, address="127.0.0.9")]


def test_a_udp_client_is_left_out() -> None:
    """A bound UDP socket in the ephemeral range waits for an answer, not for others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        port = client.getsockname()[1]
        posted, outside = Posted(port, (port, port)), Posted(port, (1, 2))
        posted.sensor.look()
        outside.sensor.look()
    assert posted.events == []
    assert [type(event) for event in outside.events] == [PortOpened]


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only the kernel's own table shows it")


Exact = Callable[[int], Posted]


@pytest.fixture
def exact() -> Iterator[Exact]:
    """Sensors that see what the kernel tells, and have looked once."""
    from nexus.platforms.linux_inventory import LinuxInventory

    with ExitStack() as made:

        def sensor(port: int) -> Posted:
            posted = Posted(port, inventory=made.enter_context(closing(LinuxInventory())))
            posted.sensor.look()
            return posted

        yield sensor


def free_port() -> int:
    """A port outside of the ephemeral range that nobody has."""
    for port in range(23_100, 23_999):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no port is free")


@ON_LINUX
def test_a_port_that_was_open_for_a_moment_is_in_the_history(exact: Exact) -> None:
    """Opened and closed between two looks: the kernel tells of the end, and nobody guesses whose it was."""
    port = free_port()
    posted = exact(port)
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        made.listen()
    # The kernel tells of the end a moment later, from a queue of its own.

    def told() -> bool:
        posted.sensor.look()
        return bool(posted.events)

    until(told, what="the news of its end")
    brief = PortOpened(port=port, address="127.0.0.1", brief=True)
    assert posted.events == [brief, PortClosed(port=port, address="127.0.0.1")]


@ON_LINUX
def test_what_we_hold_and_try_ourselves_is_no_news(exact: Exact) -> None:
    """A lease that is let go looks like a port that was open for a moment, and is not told."""
    port = free_port()
    posted, sockets = exact(port), SystemSockets()
    assert sockets.hold(port, "127.0.0.1", "tcp") is None
    posted.sensor.look()
    sockets.release(port)
    posted.sensor.look()
    assert posted.events == []


@ON_LINUX
def test_a_socket_that_is_bound_and_does_not_listen_is_seen(exact: Exact) -> None:
    """Others can't have its port; once it listens it is opened again, without the mark."""
    port = free_port()
    with socket.socket() as made:
        made.bind(("127.0.0.1", port))
        posted = exact(port)
        made.listen()
        posted.sensor.look()
    assert [(type(it), getattr(it, "bound", None)) for it in posted.events] == [(PortOpened, True), (PortOpened, False)]


@ON_LINUX
def test_another_owner_is_told(exact: Exact) -> None:
    """A child that inherits the socket is a second owner, and each owner is named by its own instance."""
    port = free_port()
    release, hold = os.pipe()
    with socket.socket() as made:
        made.bind(("127.0.0.1", port))
        made.listen()
        posted = exact(port)
        child = os.fork()
        if child == 0:
            os.close(hold)
            os.read(release, 1)
            os._exit(0)
        try:
            for _ in range(21):
                posted.sensor.look()
        finally:
            os.close(hold)
            os.waitpid(child, 0)
            os.close(release)
    first, second = posted.events[:2]
    assert isinstance(first, PortOpened)
    assert isinstance(second, PortOpened)
    assert [owner.pid for owner in first.owners] == [os.getpid()]
    assert {owner.pid: owner.instance for owner in second.owners} == {os.getpid(): "web.1", child: None}


@ON_LINUX
async def test_a_closed_port_is_known_at_once(exact: Exact) -> None:
    """The kernel's word ends the waiting between two looks; no look comes as long as nothing is closed."""
    port = free_port()
    made = socket.socket()
    made.bind(("127.0.0.1", port))
    made.listen()
    posted = exact(port)
    assert await posted.sensor._hears(0.01) is False
    made.close()
    assert await posted.sensor._hears(5.0) is True
    posted.sensor.look()
    assert [type(event) for event in posted.events] == [PortOpened, PortClosed]
    assert await asyncio.wait_for(posted.sensor._hears(0), 1) is False


def test_what_only_we_have_open_is_left_out() -> None:
    """A socket that is going to be handed over is nobody's until somebody else has it."""
    with listening() as made:
        posted = Posted(made.getsockname()[1], me=os.getpid())
        posted.sensor.look()
    posted.sensor.look()
    assert posted.events == []

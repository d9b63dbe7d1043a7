"""What the socket sensor posts of real sockets."""

from __future__ import annotations

import os
import socket

from events.catalog import Event, PortClosed, PortOpened
from events.envelope import Draft
from nexus.platforms.portable_inventory import PortableInventory
from nexus.sensors.sockets import SocketSensor
from projections.ports import endpoint

EPHEMERAL = (32_768, 60_999)


class Posted:
    """A sensor whose observations about one port are kept."""

    def __init__(self, port: int, ephemeral: tuple[int, int] = EPHEMERAL) -> None:
        self.port, self.events = port, list[Event]()
        self.sensor = SocketSensor(PortableInventory(), self._post, self._ours, ephemeral)

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

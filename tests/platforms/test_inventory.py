"""Every open port of this machine with all its owners, beside what psutil sees."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psutil
import pytest

from nexus.platforms.base import Inventory, OpenSocket
from nexus.platforms.portable_inventory import PortableInventory
from tests.waiting import until

if sys.platform == "linux":
    from nexus.platforms.linux_inventory import LinuxInventory

    INVENTORIES: list[type[Inventory]] = [LinuxInventory, PortableInventory]
else:
    INVENTORIES = [PortableInventory]


@pytest.fixture(params=INVENTORIES, ids=lambda kind: kind.__name__)
def inventory(request: pytest.FixtureRequest) -> Iterator[Inventory]:
    """An inventory that has looked once."""
    made: Inventory = request.param()
    made.look()
    yield made
    made.close()


def listener(kind: int = socket.SOCK_STREAM, address: str = "127.0.0.1") -> socket.socket:
    """A socket that waits for others on a port of its own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind)
    made.bind((address, 0))
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


def port_of(made: socket.socket) -> int:
    """The port that a socket is bound to."""
    return int(made.getsockname()[1])


def found(sockets: list[OpenSocket], made: socket.socket) -> OpenSocket:
    """The one of `sockets` that is `made`."""
    return next(it for it in sockets if it.port == port_of(made) and it.address == made.getsockname()[0])


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_an_opened_port_is_seen_with_its_owner_and_its_end(inventory: Inventory, kind: int, address: str) -> None:
    """TCP and UDP, IPv4 and IPv6: seen once when it opens, once when it closes."""
    with listener(kind, address) as made:
        came, _ = inventory.look()
        seen = found(came, made)
        assert [owner.pid for owner in inventory.owners(seen)] == [os.getpid()]
        again, _ = inventory.look()
        assert seen.key not in {it.key for it in again}
    _, gone = inventory.look()
    assert seen.key in {it.key for it in gone}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system names one owner only")
def test_a_shared_socket_has_all_its_owners() -> None:
    """A child that inherited the socket owns it as well, until it ends."""
    release, hold = os.pipe()
    with closing(INVENTORIES[0]()) as inventory, listener() as made:
        child = os.fork()
        if child == 0:
            os.close(hold)
            os.read(release, 1)
            os._exit(0)
        try:
            seen = found(inventory.look()[0], made)
            assert {owner.pid for owner in inventory.owners(seen)} == {os.getpid(), child}
        finally:
            os.close(hold)
            os.waitpid(child, 0)
            os.close(release)

        def only_we() -> bool:
            inventory.look()
            return {owner.pid for owner in inventory.owners(seen)} == {os.getpid()}

        until(only_we, timeout_seconds=10, what="the child's ownership to be forgotten")


def test_nothing_is_missing_and_nothing_is_extra(inventory: Inventory) -> None:
    """The same ports as psutil sees, with a hundred listeners of our own among them."""
    with ExitStack() as stack:
        made = [stack.enter_context(listener()) for _ in range(100)]
        mine = {port_of(one) for one in made}
        seen = {it.port for it in inventory.look()[0] if it.protocol == "tcp"} & mine
        theirs = {
            it.laddr.port for it in psutil.net_connections("tcp") if it.laddr and it.status == psutil.CONN_LISTEN
        } & mine
        assert seen == theirs == mine

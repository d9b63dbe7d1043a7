"""The world that this program really runs in."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from events.envelope import Draft, Micros
from nexus.platforms.base import Inventory, Limiter, Meter, Processes, Sockets
from nexus.platforms.clock import AnchoredClock
from nexus.platforms.mailbox import AsyncMailbox
from nexus.platforms.portable_inventory import PortableInventory
from nexus.platforms.portable_limits import PortableLimiter
from nexus.platforms.portable_meter import PortableMeter
from nexus.platforms.sockets import SystemSockets

if sys.platform == "win32":
    from nexus.platforms.windows import WindowsProcesses

    def _processes(home: Path, post: Callable[[Draft], None], sockets: Sockets) -> Processes:
        return WindowsProcesses(home, post, sockets)

elif sys.platform == "darwin":
    from nexus.platforms.macos import MacosSystem
    from nexus.platforms.posix_processes import PosixProcesses

    def _processes(home: Path, post: Callable[[Draft], None], sockets: Sockets) -> Processes:
        return PosixProcesses(MacosSystem(), home, post, sockets)

else:
    from nexus.platforms.linux import LinuxSystem
    from nexus.platforms.linux_inventory import LinuxInventory
    from nexus.platforms.linux_limits import LinuxLimiter
    from nexus.platforms.linux_meter import LinuxMeter
    from nexus.platforms.posix_processes import PosixProcesses

    def _processes(home: Path, post: Callable[[Draft], None], sockets: Sockets) -> Processes:
        return PosixProcesses(LinuxSystem(), home, post, sockets)


def _inventory() -> Inventory:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # some containers have no sock_diag
            return LinuxInventory()
    return PortableInventory()


def make_meter(home: Path) -> Meter:
    """What measures the processes of a home fastest here."""
    if sys.platform == "linux":
        return LinuxMeter(home)
    else:  # noqa: RET505 - mypy leaves it out elsewhere
        return PortableMeter()


def make_limiter() -> Limiter:
    """What limits processes here."""
    if sys.platform == "linux":
        return LinuxLimiter()
    else:  # noqa: RET505 - mypy leaves it out elsewhere
        return PortableLimiter()


@dataclass(frozen=True)
class Platform:
    """Everything that a supervisor needs of the machine it runs on."""

    clock: AnchoredClock
    mailbox: AsyncMailbox
    processes: Processes
    sockets: SystemSockets
    inventory: Inventory
    meter: Meter
    limiter: Limiter


def open_platform(home: Path, last: Micros = 0) -> Platform:
    """The real world for the supervisor of `home`, whose clock never shows a moment before `last`."""
    clock = AnchoredClock(last)
    mailbox = AsyncMailbox(clock)
    sockets = SystemSockets()
    return Platform(
        clock, mailbox, _processes(home, mailbox.post, sockets), sockets, _inventory(), make_meter(home), make_limiter()
    )

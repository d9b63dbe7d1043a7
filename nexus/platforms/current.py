"""The world that this program really runs in."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from events.envelope import Micros
from nexus.platforms import control
from nexus.platforms.base import Processes
from nexus.platforms.clock import AnchoredClock
from nexus.platforms.mailbox import AsyncMailbox
from nexus.platforms.sockets import SystemSockets

if sys.platform == "linux":
    from nexus.platforms.linux_processes import LinuxProcesses as _Processes


@dataclass(frozen=True)
class Platform:
    """Everything that a supervisor needs of the machine it runs on."""

    home: Path
    clock: AnchoredClock
    mailbox: AsyncMailbox
    processes: Processes
    sockets: SystemSockets

    def serve(self, answer: Callable[[bytes, str], Awaitable[bytes]]) -> contextlib.AbstractAsyncContextManager[None]:
        """Answer what the command line asks, with the name of the user who asks; see `control.serve`."""
        return control.serve(self.home, lambda request, peer: answer(request, peer.user))


def open_platform(home: Path, last: Micros = 0) -> Platform:
    """The real world for the supervisor of `home`, whose clock never shows a moment before `last`."""
    clock = AnchoredClock(last)
    mailbox = AsyncMailbox(clock)
    sockets = SystemSockets()
    return Platform(home, clock, mailbox, _Processes(home, mailbox.post, sockets), sockets)

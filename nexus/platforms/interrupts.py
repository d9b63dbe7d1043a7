"""Being asked to end: Ctrl-C, or TERM from whoever started us."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable


def on_interrupt(call: Callable[[], None]) -> None:
    """Call `call` in the running loop whenever this process is asked to end, instead of ending it."""
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":
        for number in (signal.SIGINT, signal.SIGBREAK):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))
    else:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, call)

"""The log's own thread: it keeps the head outside the database and the ballast, so that appending never waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from events.files import HeadFile, OutsideHead, make_ballast

LINGER_SECONDS = 0.7
"""How long the head may wait for more events; with the time to write it, it is at most a second behind."""

BALLAST_EVERY_SECONDS = 30.0

logger = logging.getLogger(__name__)


class Keeper:
    """Writes the head soon after `wake`, and once more on `close`."""

    def __init__(self, home: Path, head: Callable[[], OutsideHead], ballast_bytes: int) -> None:
        self._home, self._head, self._ballast_bytes = home, head, ballast_bytes
        self._file, self._lock = HeadFile(home), threading.Lock()
        self._written: OutsideHead | None = None
        self._failing = False
        self._ballast_at = float("-inf")
        self.has_ballast = False
        """Whether there is room set aside for the day that the disk is full."""
        self.wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nexus-log-keeper", daemon=True)

    def start(self) -> None:
        """Set room aside, and look after the head from now on."""
        self._keep_ballast()
        self._thread.start()

    def close(self) -> None:
        """Write the head for the last time."""
        self._closing.set()
        self.wake.set()
        self._thread.join()
        self.keep_head()
        self._file.close()

    def ballast_freed(self) -> None:
        """The ballast is gone; look again for room in a while."""
        self.has_ballast = False
        self._ballast_at = time.monotonic()

    def keep_head(self) -> None:
        """Write the head now; where that fails, it is tried again soon."""
        with self._lock:
            head = self._head()
            if head == self._written:
                return
            try:
                self._file.write(head)
            except OSError as error:
                if not self._failing:
                    logger.warning("the head of the log could not be written, and is tried again: %s", error)
                self._failing = True
                self.wake.set()
            else:
                self._written, self._failing = head, False

    def _run(self) -> None:
        while not self._closing.is_set():
            self.wake.wait()
            if self._closing.wait(LINGER_SECONDS):
                return
            self.wake.clear()
            self.keep_head()
            self._keep_ballast()

    def _keep_ballast(self) -> None:
        if self.has_ballast or time.monotonic() - self._ballast_at < BALLAST_EVERY_SECONDS:
            return
        self._ballast_at = time.monotonic()
        try:
            make_ballast(self._home, self._ballast_bytes)
        except OSError as error:
            logger.warning("no room for the ballast of the log: %s", error)
        else:
            self.has_ballast = True

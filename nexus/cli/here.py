"""A supervisor in this process: it has the main thread, and what was asked of it is followed beside it."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from nexus.cli.channel import is_alive, submit
from nexus.cli.follow import pause
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.cli.waiting import Wish
from nexus.config.files import make_home
from nexus.platforms.filesystems import network_file_system
from projections.state import State


class Beside(threading.Thread):
    """Submits a wish once the supervisor of this process answers, follows it, and then lets `after` decide."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(daemon=True)
        self.wish = wish
        self.state: State | None = None
        self.problem: Exception | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        """Wait for the supervisor, ask, and wait."""
        try:
            if self._answers():
                self.wish.submit()
                self.state = self.wish.wait()
                self.settled(self.state)
        except Exception as error:
            self.problem = error
            self.leave()

    def settled(self, state: State) -> None:
        """Once the wish is fulfilled, or can't be, the supervisor goes and leaves what runs."""
        self.leave()

    def leave(self) -> None:
        """Let the supervisor end, if it has not done so by itself; the services go on."""
        if self.wish.verb not in ("down", "detach") and not self.ended.is_set():
            with contextlib.suppress(ProblemError):
                submit(self.wish.home, "detach")

    def _answers(self) -> bool:
        while not self.ended.is_set():
            if is_alive(self.wish.home):
                return True
            pause()
        return False


def supervised_here(session: Session, wish: Wish, file: Path) -> State:
    """Run a supervisor for one wish; returns what is known at its end. Raises whatever ends it early."""
    make_home(session.home, network_file_system(session.home))
    return supervise_beside(session, Beside(wish), file)


def supervise_beside(session: Session, beside: Beside, file: Path) -> State:
    """Run a supervisor in this thread while `beside` follows; returns what is known at its end."""
    beside.start()
    try:
        session.supervise(session.home, file)
    finally:
        beside.ended.set()
    beside.join(timeout=5)
    if beside.problem is not None:
        raise beside.problem
    if beside.state is None:
        raise ProblemError("the supervisor ended before it was asked", kind="supervisor-gone")
    return session.history.at()

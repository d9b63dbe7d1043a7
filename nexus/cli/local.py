"""Questions answered from the log of this machine, with and without a supervisor; a Client answers the same ones."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from nexus.cli import output
from nexus.cli.channel import is_alive
from nexus.cli.problems import ProblemError
from projections import alert_views, log_questions, views
from projections.explanation import Explanation
from projections.state import State

if TYPE_CHECKING:
    from nexus.cli.session import Session


class Local:
    """The history of a session's home."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._state = functools.cache(session.state)

    def status(self, at: str = "") -> views.Status:
        """Everything at a glance."""
        state: State = self._state(at)
        past = bool(at) or self.session.bundle is not None
        alive = past or not state.supervisor.pid or is_alive(self.session.home)
        return views.status(state, state.at if past else output.now_micros(), alive)

    def alerts(self, at: str = "") -> alert_views.AlertsView:
        """What somebody ought to know."""
        return alert_views.alerts(self._state(at))

    def graph(self, at: str = "") -> views.GraphView:
        """Which service needs which."""
        return views.graph(self._state(at))

    def ports(self, at: str = "") -> views.PortsView:
        """The ports that are known of."""
        return views.ports(self._state(at))

    def leases(self, at: str = "") -> views.LeasesView:
        """The ports that are promised."""
        return views.leases(self._state(at))

    def explain(self, event: int, at: str = "") -> Explanation:
        """Why an event happened; raises ProblemError where there is none."""
        head = self.session.position(at) if at else self.session.head
        found = log_questions.explain(self.session.history.reader, event, head) if event >= self.session.first else None
        if found is None:
            raise ProblemError(
                f"there is no event {event}",
                expected=f"a position from {self.session.first} to {head}",
                found=str(event),
                next_step="`nexus decisions` lists what was decided, `nexus events` everything",
                kind="no-such-event",
            )
        return found

"""Days and weeks in a given world: deadlines come when they are due, and jobs start by the clock."""

from __future__ import annotations

from events.catalog import CommandReceived, Decision, PortClosed, PortOpened, PortOwner, RunExited
from tests.given import SECOND, World

MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
MONDAY = 4 * DAY
"""The first Monday of 1970; the world begins on Thursday the 1st of January."""


class Days(World):
    """A world whose time goes by the clock; `decided` is everything that was decided since the last look."""

    def at(self, day: int, hour: int, minute: int = 0, second: int = 0) -> int:
        """A moment, `day` counting from the first Monday."""
        return MONDAY + day * DAY + hour * 60 * MINUTE + minute * MINUTE + second * SECOND

    def until(self, moment: int) -> list[Decision]:
        """Everything that is decided up to a moment, because deadlines come."""
        found: list[Decision] = []
        while (due := self.state.deadlines.next_due()) is not None and due <= moment:
            key = next(key for key, it in self.state.deadlines.by_key.items() if it.due == due)
            found += self.due(key)
        return found

    def start(self, name: str, moment: int, for_minutes: int = 30) -> list[Decision]:
        """Somebody starts a service, which ends by itself; what was decided from before until after."""
        found = self.until(moment)
        found += self.when(CommandReceived(verb="start", services=(name,)), after_seconds=self._seconds_to(moment))
        end = moment + for_minutes * MINUTE
        found += self.until(end)
        exited = RunExited(instance=f"{name}.1", run=self.instance(f"{name}.1").run, exit_code=0)
        return found + self.when(exited, after_seconds=self._seconds_to(end))

    def listen(self, moment: int, *ports: int, for_minutes: int = 30) -> list[Decision]:
        """A program that is none of ours takes ports, and gives them back."""
        found = self.until(moment)
        owner = (PortOwner(pid=7, command="python3"),)
        opened = [PortOpened(port=port, address="127.0.0.1", owners=owner) for port in ports]
        found += self.when(*opened, after_seconds=self._seconds_to(moment))
        end = moment + for_minutes * MINUTE
        found += self.until(end)
        closed = [PortClosed(port=port, address="127.0.0.1") for port in ports]
        return found + self.when(*closed, after_seconds=self._seconds_to(end))

    def _seconds_to(self, moment: int) -> float:
        return max(0.0, (moment - self.state.at) / SECOND)

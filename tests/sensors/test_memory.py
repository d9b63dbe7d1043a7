"""When the memory of a run is too much, and when it is well again."""

from __future__ import annotations

import msgspec

from events.catalog import Event, MemoryExceeded, MemoryMax, MemoryRecovered
from nexus.platforms.base import Figures
from nexus.sensors.memory import EXCEEDED_LOOKS, RECOVERED_LOOKS, MemoryWatch
from tests.given import World, asked, service

MIB = 1 << 20


class Watched:
    """A service with a limit of 100 MiB, and what is posted about it."""

    def __init__(self) -> None:
        self.world = World(msgspec.structs.replace(service("web"), memory=MemoryMax(100 * MIB, "alert")), service("db"))
        self.world.when(asked("up"))
        self.posted: list[Event] = []
        self.watch = MemoryWatch(lambda draft: self.posted.append(draft.event))

    def looks(self, count: int, mib: int) -> list[Event]:
        """What is posted while it uses so much."""
        self.posted.clear()
        for _ in range(count):
            figures = Figures(0.0, mib * MIB, 1, 1, None, None, None)
            self.watch.look(self.world.state, {"web.1": figures, "db.1": figures}, 1.0)
        for event in self.posted:
            self.world.when(event)
        return list(self.posted)


def test_only_what_lasts_is_told() -> None:
    """Once, until it is well below again for a while; then anew."""
    it = Watched()
    assert it.looks(EXCEEDED_LOOKS - 1, 200) == []
    assert it.looks(1, 50) == []
    (told,) = it.looks(EXCEEDED_LOOKS + 20, 200)
    assert isinstance(told, MemoryExceeded)
    assert (told.instance, told.memory_bytes, told.limit_bytes, told.seconds) == ("web.1", 200 * MIB, 100 * MIB, 3.0)
    assert it.looks(RECOVERED_LOOKS + 1, 95) == []
    (over,) = it.looks(RECOVERED_LOOKS + 5, 50)
    assert isinstance(over, MemoryRecovered)
    assert it.looks(EXCEEDED_LOOKS, 200) != []


def test_one_that_does_not_run_is_not_measured() -> None:
    """Neither without a run nor without figures."""
    it = Watched()
    it.watch.look(it.world.state, {}, 1.0)
    it.world.when(asked("stop", "web"))
    it.world.exits("web.1", 0)
    assert it.looks(10, 200) == []

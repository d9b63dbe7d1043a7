"""Notices an instance that has more memory than it may have, and when it has given enough of it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from events.catalog import MemoryExceeded, MemoryRecovered
from events.envelope import Draft
from nexus.platforms.base import Figures
from projections.state import State

EXCEEDED_LOOKS = 3
RECOVERED_SHARE = 0.9
RECOVERED_LOOKS = 10


class MemoryWatch:
    """Three looks in a row above the limit tell, ten in a row well below it take that back."""

    def __init__(self, post: Callable[[Draft], None]) -> None:
        self.post = post
        self._above: dict[tuple[str, int], int] = {}
        self._below: dict[tuple[str, int], int] = {}

    def look(self, state: State, figures: Mapping[str, Figures], seconds: float) -> None:
        """Compare with what is declared now; `seconds` have passed since the last look."""
        above: dict[tuple[str, int], int] = {}
        below: dict[tuple[str, int], int] = {}
        limits = {name: it.memory.max_bytes for name, it in state.services.declared.items() if it.memory}
        for name, instance in state.services.instances.items() if limits else ():
            limit_bytes, now = limits.get(instance.service), figures.get(name)
            if limit_bytes is None or now is None or not instance.run:
                continue
            run, told = (name, instance.run), state.resources.excess.get(name)
            if now.memory_bytes > limit_bytes:
                above[run] = self._above.get(run, 0) + 1
                if above[run] == EXCEEDED_LOOKS:
                    self.post(Draft(MemoryExceeded(
                        instance=name, run=instance.run, memory_bytes=now.memory_bytes, limit_bytes=limit_bytes,
                        seconds=round(EXCEEDED_LOOKS * seconds, 1),
                    )))  # fmt: skip
            elif told and told.run == instance.run and now.memory_bytes < limit_bytes * RECOVERED_SHARE:
                below[run] = self._below.get(run, 0) + 1
                if below[run] == RECOVERED_LOOKS:
                    recovered = MemoryRecovered(instance=name, run=instance.run, memory_bytes=now.memory_bytes)
                    self.post(Draft(recovered))
        self._above, self._below = above, below

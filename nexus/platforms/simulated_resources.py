"""Limits and memory in the simulated world: some limits are refused, some runs use more memory than they may."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from events.catalog import Limits, MemoryExceeded, MemoryRecovered, Rejected, RunAdopted, RunStarted
from events.envelope import Draft, Position, Recorded
from nexus.platforms.simulated_world import World
from projections.state import State

REFUSED = 0.2
GIVEN_BACK = 0.4
GIVEN_BACK_SECONDS = 60.0


class SimulatedLimiter:
    """Sets limits, mostly."""

    def __init__(self, world: World) -> None:
        self._world = world

    def apply(self, pid: int, limits: Limits) -> tuple[tuple[str, ...], tuple[Rejected, ...]]:
        """Limit a process."""
        self._world.risk("before limits are set")
        what = f"priority {limits.priority}"
        if self._world.chance(REFUSED):
            return (), (Rejected(what, "operation not permitted"),)
        return (what,), ()


class SimulatedMemory:
    """Tells of runs that have grown too large, as the real sensor does."""

    def __init__(self, world: World, post: Callable[[Draft], None]) -> None:
        self._world, self._post = world, post

    def follow(self, state: State, events: Sequence[Recorded]) -> None:
        """Some runs of services that may only use so much are going to use more; a subscriber of the controller."""
        every_seconds = self._world.faults.grow_every_seconds
        for it in events:
            if isinstance(it.event, RunStarted | RunAdopted) and every_seconds:
                declared = state.services.declared.get(it.event.service)
                if declared is not None and declared.memory is not None:
                    limit_bytes, run = declared.memory.max_bytes, it.event.run
                    self._world.later(self._world.some_seconds(every_seconds), self._grow(run, limit_bytes))

    def _grow(self, run: Position, limit_bytes: int) -> Callable[[], None]:
        def grow() -> None:
            process = self._world.living.get(run)
            if process is None or not self._world.faults.grow_every_seconds:
                return
            self._world.counts["uses too much memory"] += 1
            self._post(Draft(MemoryExceeded(
                instance=process.instance, run=run, memory_bytes=2 * limit_bytes, limit_bytes=limit_bytes, seconds=3.0
            )))  # fmt: skip
            if self._world.chance(GIVEN_BACK):
                self._world.later(GIVEN_BACK_SECONDS, shrink)

        def shrink() -> None:
            process = self._world.living.get(run)
            if process is not None:
                self._post(Draft(MemoryRecovered(instance=process.instance, run=run, memory_bytes=limit_bytes // 2)))

        return grow

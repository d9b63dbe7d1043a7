"""Asks each run whether it is well, and reports what changes."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Sequence

import msgspec

from events.catalog import Probe, ProbeFailed, ProbePassed
from events.envelope import Draft, Position, Recorded
from nexus.sensors.asking import Question, ask
from projections.services import Instance
from projections.state import State

FIRST_PAUSE_SECONDS = 0.03
PAUSE_GROWTH = 1.5
STARTING_PAUSE_MAX_SECONDS = 1.0

Ask = Callable[[Instance], Question]
"""What an instance is asked: its probe with nothing masked or left open."""


class Watched(msgspec.Struct, frozen=True):
    """A run that is asked, and how."""

    run: Position
    instance: str
    probe: Probe
    ready: bool


class ProbeSensor:
    """One task for each run that has a probe; `post` receives what they observe."""

    def __init__(self, post: Callable[[Draft], None], question: Ask) -> None:
        self.post, self.question = post, question
        self._tasks: dict[Position, asyncio.Task[None]] = {}
        self._probes: dict[Position, Probe] = {}

    def follow(self, state: State, _: Sequence[Recorded] = ()) -> None:
        """Begin to ask the runs that are new or are to be asked otherwise, and leave those that ended."""
        wanted = {
            instance.run: instance
            for instance in state.services.instances.values()
            if instance.pid and instance.state in ("starting", "running")
        }
        probes = {run: self._probe(state, instance) for run, instance in wanted.items()}
        for run in [run for run in self._tasks if probes.get(run) != self._probes[run]]:
            self._tasks.pop(run).cancel()
        for run, probe in probes.items():
            if run not in self._tasks and probe:
                instance = wanted[run]
                watched = Watched(run, instance.name, probe, instance.state == "running")
                self._probes[run] = probe
                self._tasks[run] = asyncio.ensure_future(self._watch(watched, self.question(instance)))

    @staticmethod
    def _probe(state: State, instance: Instance) -> Probe | None:
        declared = state.services.declared.get(instance.service)
        return declared.probe if declared else None

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, it: Watched, question: Question) -> None:
        ready, failures, said = it.ready, 0, ""
        pause_seconds, first = FIRST_PAUSE_SECONDS, True
        while True:
            began = time.perf_counter()
            problem, detail = await ask(question)
            took_seconds = round(time.perf_counter() - began, 4)
            if problem:
                failures += 1
                if detail != said or (ready and failures <= it.probe.unhealthy_after):
                    self._failed(it, failures, detail)
                said = detail
            else:
                if first or failures or not ready:
                    passed = ProbePassed(instance=it.instance, run=it.run, detail=detail, took_seconds=took_seconds)
                    self.post(Draft(passed, None if ready else it.run))
                ready, failures, said = True, 0, ""
            first = False
            pause_seconds = _pause(it, ready, failures, pause_seconds)
            await asyncio.sleep(pause_seconds)

    def _failed(self, it: Watched, failures: int, detail: str) -> None:
        limit = it.probe.unhealthy_after
        self.post(
            Draft(ProbeFailed(instance=it.instance, run=it.run, failures=failures, limit=limit, detail=detail))
        )  # fmt: skip


def _pause(it: Watched, ready: bool, failures: int, last_seconds: float) -> float:
    """Often while a run starts, then at its interval, shifted by name so that not all are asked at once."""
    if not ready:
        return min(last_seconds * PAUSE_GROWTH, STARTING_PAUSE_MAX_SECONDS)
    if last_seconds <= STARTING_PAUSE_MAX_SECONDS < it.probe.interval_seconds and not failures:
        return it.probe.interval_seconds * (0.5 + zlib.crc32(it.instance.encode()) % 1000 / 2000)
    return it.probe.interval_seconds

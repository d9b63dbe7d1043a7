"""A history to measure with: what a supervisor of eight services records on days on which things go wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from events.catalog import (
    CommandReceived,
    ConfigurationLoaded,
    DeadlineReached,
    Event,
    PortChosen,
    PortHeld,
    Probe,
    ProbeFailed,
    ProbePassed,
    Rejected,
    RestartScheduled,
    RunExited,
    RunStarted,
    Service,
    StartDecided,
)
from events.envelope import Micros, Position, Recorded

NAMES = ("database", "router", "core", "synthesis", "bridge", "web", "worker", "mail")
SECOND: Micros = 1_000_000
BEGIN: Micros = 1_767_225_600 * SECOND


class Machine:
    """Writes the history, event by event; positions begin at 2, after the opening of the log."""

    def __init__(self, seed: int = 1, names: Sequence[str] = NAMES) -> None:
        self.names = names
        self.chance, self.at, self.seq = Random(seed), BEGIN, 1
        self.runs: dict[str, Position] = {}
        self.pending: list[Recorded] = []

    def events(self, count: int) -> Iterator[Recorded]:
        """The first `count` events."""
        self._add(ConfigurationLoaded(project="bench", services={name: _service(name) for name in self.names}))
        asked = self._add(CommandReceived(verb="up", command_id="bench"))
        for name in self.names:
            self._start(name, asked, 0)
        given = 0
        while given < count:
            if not self.pending:
                self._something()
            batch = self.pending[: count - given]
            given += len(batch)
            self.pending = []
            yield from batch

    def _add(self, event: Event, cause: Position | None = None, basis: Position | None = None) -> Position:
        self.seq += 1
        self.pending.append(Recorded(self.seq, self.at, event, cause, basis))
        return self.seq

    def _something(self) -> None:
        self.at += self.chance.randrange(SECOND // 10, 60 * SECOND)
        name = self.chance.choice(self.names)
        if self.chance.random() < 0.4:
            self._stumble(name)
        else:
            self._crash(name)

    def _stumble(self, name: str) -> None:
        instance, run = f"{name}.1", self.runs[name]
        failed = self._add(
            ProbeFailed(instance=instance, run=run, failures=1, detail="GET /api/health: no answer within 2 s")
        )
        self.at += 5 * SECOND
        self._add(ProbePassed(instance=instance, run=run, detail="200 OK", took_seconds=0.0043), failed)

    def _crash(self, name: str) -> None:
        instance, run = f"{name}.1", self.runs[name]
        died = self._add(RunExited(instance=instance, run=run, signal=self.chance.choice(("KILL", "SEGV"))), run)
        self._start(name, died, 1)

    def _start(self, name: str, cause: Position, attempt: int) -> None:
        instance, due = f"{name}.1", self.at + attempt * SECOND
        if attempt:
            waited = self._add(RestartScheduled(
                instance=instance, rule="restart", attempt=attempt, due=due,
                values={"failures": 1, "tries": 3, "delay_seconds": 1.0, "problem": "was ended by signal KILL"},
                rejected=(Rejected("give up", "2 tries are left"), Rejected("leave it", "it is wanted")),
            ), cause, cause)  # fmt: skip
            self.at = due
            cause = self._add(DeadlineReached(key=f"restart:{instance}", due=due), waited)
        port = 20_000 + self.names.index(name)
        if not attempt:
            chosen = self._add(
                PortChosen(instance=instance, rule="ports", lease=f"{instance}/main", port=port), cause, cause
            )
            cause = self._add(PortHeld(lease=f"{instance}/main", port=port), chosen)
        run = self.runs[name] = self._add(StartDecided(
            instance=instance, rule="startup", values={"needs": "everything that it needs is healthy"},
            attempt=attempt, ports={"main": port}, ready_by=self.at + 60 * SECOND,
        ), cause, cause)  # fmt: skip
        self.at += SECOND // 200
        pid = self.chance.randrange(1_000, 4_000_000)
        self._add(RunStarted(instance=instance, run=run, pid=pid, created=self.at), run)
        self.at += SECOND
        self._add(ProbePassed(instance=instance, run=run, detail="200 OK", took_seconds=0.0081))


def _service(name: str) -> Service:
    return Service(name=name, command=(name, "--port", "{port}"), probe=Probe(kind="http", target="/api/health"))

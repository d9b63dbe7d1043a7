"""Events to record: what a day in the life of a few services looks like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from events.catalog import (
    CommandReceived,
    DeadlineReached,
    Event,
    ProbeFailed,
    Rejected,
    RestartScheduled,
    RunExited,
    RunStarted,
    StartDecided,
    Value,
)
from events.envelope import Micros, Position, Recorded
from events.log import Log

NOON: Micros = 1_767_268_800_000_000
SECOND: Micros = 1_000_000


def after(seq: Position, *events: Event, at: Micros = NOON, cause: Position | None = None) -> list[Recorded]:
    """These events as the batch that follows position `seq`."""
    return [Recorded(number, at, event, cause) for number, event in enumerate(events, seq + 1)]


def command(name: str = "", service: str = "web") -> CommandReceived:
    """Somebody asks for a start."""
    return CommandReceived(verb="start", services=(service,), command_id=name)


def started(run: int, pid: int = 4711) -> RunStarted:
    """A run of web.1 exists."""
    return RunStarted(instance="web.1", run=run, pid=pid)


def day(after: Position, count: int, seed: int = 1, at: Micros = NOON) -> list[Recorded]:
    """Crashes, restarts and failing probes of three services, as a supervisor would record them."""
    chance, events = Random(seed), list[Recorded]()

    def add(event: Event, cause: Position | None = None, basis: Position | None = None) -> Position:
        events.append(Recorded(after + 1 + len(events), at, event, cause, basis, "operator" if cause is None else None))
        return events[-1].seq

    while len(events) < count:
        at += chance.randrange(1, SECOND)
        instance, run = f"{chance.choice(('web', 'router', 'database'))}.1", after + 1
        failed = add(ProbeFailed(instance=instance, run=run, failures=1, detail="connection refused – “why”?"))
        died = add(RunExited(instance=instance, run=run, signal="KILL"), failed)
        why: dict[str, Value] = {"attempt": 1, "of": 3, "delay_seconds": 1.0}
        no = (Rejected("give up", "2 tries are left"),)
        rule = "restart.retry"
        due = at + SECOND
        again = add(
            RestartScheduled(instance=instance, rule=rule, values=why, rejected=no, attempt=1, due=due), died, died
        )
        at = due
        reached = add(DeadlineReached(key=f"restart:{instance}", due=due), again)
        run = add(StartDecided(instance=instance, rule="startup", attempt=1, ports={"main": 20_001}), reached, reached)
        add(RunStarted(instance=instance, run=run, pid=chance.randrange(1_000, 99_999), created=at), run)
    return events[:count]


def recorded(home: Path, count: int = 60, batch: int = 6, seed: int = 1) -> Position:
    """A home with a closed log of `count` events; returns the last position."""
    with Log.open(home, now=lambda: NOON, ballast_bytes=4096) as log:
        append_all(log.append, day(1, count - 1, seed), batch)
        return log.head.seq


def append_all(append: Callable[[Sequence[Recorded]], None], events: Sequence[Recorded], batch: int = 6) -> None:
    """Append in batches."""
    for start in range(0, len(events), batch):
        append(events[start : start + batch])

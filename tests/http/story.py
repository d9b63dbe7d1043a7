"""A home with a history: real policies decide, a tiny obedient world answers, and the real log keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from events.catalog import (
    CommandReceived,
    ConfigurationLoaded,
    Decision,
    Event,
    KillDecided,
    PortChosen,
    PortHeld,
    PortRequest,
    Probe,
    ProbePassed,
    RunExited,
    RunStarted,
    Service,
    SignalSent,
    StartDecided,
    StopDecided,
    SupervisorStarted,
)
from events.envelope import Draft, Recorded
from events.log import Log
from nexus.policies.step import step
from projections.history import History
from projections.state import encode, evolve

SERVICES = {
    "database": Service(name="database", command=("postgres",), ports=(PortRequest(),), probe=Probe()),
    "web": Service(
        name="web", command=("python", "web.py"), ports=(PortRequest(),), probe=Probe(kind="http", target="/health"),
        depends_on={"database": "healthy"},
    ),
    "worker": Service(name="worker", command=("python", "worker.py"), depends_on={"web": "started"}, replicas=2),
}  # fmt: skip
STARTED_AT = 1_770_000_000_000_000


class Story:
    """Writes a history, each turn a millisecond after the last."""

    def __init__(self, home: Path, services: dict[str, Service] = SERVICES) -> None:
        self.home, self.services = home, services
        self.log = Log.open(home, now=lambda: STARTED_AT, ballast_bytes=4096)
        self.state = History(home).at()
        self.pid = 4000

    def begin(self) -> Story:
        """A supervisor that starts everything."""
        self.happen(
            SupervisorStarted(pid=1, version="0.1.0"), ConfigurationLoaded(project="demo", services=self.services)
        )
        self.happen(CommandReceived(verb="up", command_id="up-1"), actor="somebody")
        return self

    def happen(self, *events: Event, cause: int | None = None, actor: str | None = None) -> list[Recorded]:
        """Record what was seen and what is decided; the world then does what was decided."""
        return self._turn([Draft(event, cause, actor) for event in events])

    def crash(self, instance: str) -> None:
        """End the present run of an instance."""
        run = self.state.services.instances[instance].run
        self.happen(RunExited(instance=instance, run=run, exit_code=1))

    def fill(self, count: int, batch: int = 500) -> None:
        """Add `count` events that change little."""
        last = self.state.seq + count
        while self.state.seq < last:
            size = min(batch, last - self.state.seq)
            self._record([Draft(ProbePassed(instance="web.1", run=0, detail=f"fill {i}")) for i in range(size)])

    def rotate(self) -> None:
        """Close the books: what follows is in a new file."""
        self.state = evolve(self.state, self.log.rotate(self.state.at + 1_000, encode(self.state)))

    def close(self) -> None:
        """Let go of the log."""
        self.log.close()

    def _turn(self, seen: Sequence[Draft]) -> list[Recorded]:
        told: list[Recorded] = []
        while seen:
            events = self._record(seen)
            told += events
            seen = [
                answer for it in events if isinstance(it.event, Decision) for answer in self._obey(it.seq, it.event)
            ]
        return told

    def _record(self, seen: Sequence[Draft]) -> list[Recorded]:
        at = max(self.state.at, STARTED_AT) + 1_000
        self.state, events = step(self.state, seen, at)
        self.log.append(events)
        return events

    def _obey(self, seq: int, decision: Decision) -> list[Draft]:
        match decision:
            case PortChosen(lease=lease, port=port):
                return [Draft(PortHeld(lease=lease, port=port), seq)]
            case StartDecided(instance=instance):
                self.pid += 1
                started = Draft(RunStarted(instance=instance, run=seq, pid=self.pid), seq)
                probed = self.services[decision.service].probe
                passed = Draft(ProbePassed(instance=instance, run=seq, detail="200 OK"))
                return [started, passed] if probed else [started]
            case StopDecided(instance=instance, run=run) | KillDecided(instance=instance, run=run):
                sent = Draft(SignalSent(instance=instance, run=run, signal="TERM", reached=1), seq)
                return [sent, Draft(RunExited(instance=instance, run=run, signal="TERM"), seq)]
        return []

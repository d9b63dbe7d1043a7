"""Carries out decisions about runs."""

from __future__ import annotations

from collections.abc import Callable

from events.catalog import (
    Decision,
    KillDecided,
    PauseDecided,
    ResumeDecided,
    RunRefused,
    SignalDecided,
    StartDecided,
    StopDecided,
)
from events.envelope import Draft, Position
from nexus.platforms.base import Launch, Processes, Sockets

Resolve = Callable[[StartDecided], Launch]
"""From a decision to everything its run needs; raises ValueError that says what is missing."""


class ProcessEffector:
    """Starts, stops and kills runs; a port held for a run is let go just before it starts."""

    def __init__(self, processes: Processes, sockets: Sockets, resolve: Resolve) -> None:
        self.processes, self.sockets, self.resolve = processes, sockets, resolve

    def start(self, seq: Position, decision: Decision) -> list[Draft]:
        """Start the run named `seq`."""
        assert isinstance(decision, StartDecided)
        try:
            launch = self.resolve(decision)
        except (ValueError, OSError) as error:
            return [Draft(RunRefused(instance=decision.instance, run=seq, error=str(error)))]
        for port in decision.ports.values():
            for protocol in ("tcp", "udp"):
                self.sockets.release(port, protocol)
        return self.processes.start(seq, launch)

    def stop(self, _: Position, decision: Decision) -> list[Draft]:
        """Ask a run to end."""
        assert isinstance(decision, StopDecided)
        asked = self.processes.signal(decision.run, decision.instance, decision.signal, tree=False)
        if decision.paused:
            self.processes.signal(decision.run, decision.instance, "CONT", tree=True)
        return asked

    def kill(self, _: Position, decision: Decision) -> list[Draft]:
        """End a run and everything it started."""
        assert isinstance(decision, KillDecided)
        return self.processes.signal(decision.run, decision.instance, "KILL", tree=True)

    def pause(self, _: Position, decision: Decision) -> list[Draft]:
        """Let a run and everything it started stand still."""
        assert isinstance(decision, PauseDecided)
        return self.processes.signal(decision.run, decision.instance, "STOP", tree=True)

    def resume(self, _: Position, decision: Decision) -> list[Draft]:
        """Let them go on."""
        assert isinstance(decision, ResumeDecided)
        return self.processes.signal(decision.run, decision.instance, "CONT", tree=True)

    def tell(self, _: Position, decision: Decision) -> list[Draft]:
        """Send a signal that does not ask to end."""
        assert isinstance(decision, SignalDecided)
        return self.processes.tell(decision.run, decision.instance, decision.signal)

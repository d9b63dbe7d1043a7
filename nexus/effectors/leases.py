"""Carries out decisions about ports."""

from __future__ import annotations

from events.catalog import (
    Decision,
    LeaseEnded,
    LeaseGranted,
    PortChosen,
    PortHeld,
    PortRefused,
    PortReleased,
    PortReserved,
    ReservationEnded,
)
from events.envelope import Draft, Position
from nexus.platforms.base import Sockets


class LeaseEffector:
    """Holds the ports that were chosen and lets the others go."""

    def __init__(self, sockets: Sockets) -> None:
        self.sockets = sockets

    def hold(self, _: Position, decision: Decision) -> list[Draft]:
        """Hold the chosen port, or say who has it."""
        assert isinstance(decision, PortChosen)
        problem = self.sockets.hold(
            decision.port, decision.host, decision.protocol, alone=decision.rule == "ports.fixed"
        )  # fmt: skip
        return [self._outcome(decision.lease, decision.port, decision.protocol, problem)]

    def _outcome(self, lease: str, port: int, protocol: str, problem: str | None) -> Draft:
        if problem is None:
            return Draft(PortHeld(lease=lease, port=port))
        owner = next(iter(self.sockets.owners(port, protocol)), None)
        reason = f"held by {owner}" if owner else problem
        return Draft(PortRefused(lease=lease, port=port, reason=reason, owner=owner))

    def grant(self, _: Position, decision: Decision) -> list[Draft]:
        """Hold a port for a person or a program, so that a server of theirs can listen on it."""
        assert isinstance(decision, LeaseGranted)
        problem = self.sockets.hold(decision.port, "127.0.0.1", "tcp", shared=True)
        return [self._outcome(decision.lease, decision.port, "tcp", problem)]

    def reserve(self, _: Position, decision: Decision) -> list[Draft]:
        """Hold a port for a start that is expected; another program's is held so that it can listen there."""
        assert isinstance(decision, PortReserved)
        shared = decision.pattern.startswith("program/")
        problem = self.sockets.hold(decision.port, decision.host, decision.protocol, shared=shared)
        return [self._outcome(decision.lease, decision.port, decision.protocol, problem)]

    def unreserve(self, _: Position, decision: Decision) -> list[Draft]:
        """Let a port go that was held for a start."""
        assert isinstance(decision, ReservationEnded)
        self.sockets.release(decision.port, decision.protocol)
        return []

    def release(self, _: Position, decision: Decision) -> list[Draft]:
        """Let a port go."""
        assert isinstance(decision, PortReleased | LeaseEnded)
        self.sockets.release(decision.port)
        return []

"""Carries out decisions about ports."""

from __future__ import annotations

from events.catalog import Decision, PortChosen, PortHeld, PortRefused, PortReleased
from events.envelope import Draft, Position
from nexus.platforms.base import Sockets


class LeaseEffector:
    """Holds the ports that were chosen and lets the others go."""

    def __init__(self, sockets: Sockets) -> None:
        self.sockets = sockets

    def hold(self, _: Position, decision: Decision) -> list[Draft]:
        """Hold the chosen port, or say who has it."""
        assert isinstance(decision, PortChosen)
        problem = self.sockets.hold(decision.port, decision.host, decision.protocol)
        if problem is None:
            return [Draft(PortHeld(lease=decision.lease, port=decision.port))]
        owners = self.sockets.owners(decision.port, decision.protocol)
        owner = owners[0] if owners else None
        reason = f"held by {owner}" if owner else problem
        return [Draft(PortRefused(lease=decision.lease, port=decision.port, reason=reason, owner=owner))]

    def release(self, _: Position, decision: Decision) -> list[Draft]:
        """Let a port go."""
        assert isinstance(decision, PortReleased)
        self.sockets.release(decision.port)
        return []

"""Carries out decisions about what runs may use."""

from __future__ import annotations

from events.catalog import Decision, LimitsApplied, LimitsDecided
from events.envelope import Draft, Position
from nexus.platforms.base import Limiter


class LimitsEffector:
    """Limits the processes of a run."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter

    def limit(self, _: Position, decision: Decision) -> list[Draft]:
        """Set what can be set, and say what could not."""
        assert isinstance(decision, LimitsDecided)
        applied, refused = self.limiter.apply(decision.pid, decision.limits)
        return [Draft(LimitsApplied(instance=decision.instance, run=decision.run, applied=applied, refused=refused))]

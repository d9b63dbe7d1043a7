"""What people and programs are shown of alerts."""

from __future__ import annotations

import msgspec

from events.catalog import Severity
from events.envelope import Position
from projections.moments import iso
from projections.state import State


class AlertView(msgspec.Struct, frozen=True):
    """An alert that is not over; `decision` raised it."""

    key: str
    severity: Severity
    subject: str
    message: str
    advice: str
    since: str
    decision: Position


class AlertsView(msgspec.Struct, frozen=True):
    """The alerts that are not over, the most severe first."""

    seq: Position
    at: str
    alerts: list[AlertView]


def alerts(state: State) -> AlertsView:
    """The alerts that are not over, the most severe first."""
    order = ("critical", "warning", "info")
    active = sorted(state.alerts.active.values(), key=lambda alert: (order.index(alert.severity), alert.since))
    return AlertsView(
        state.seq,
        iso(state.at),
        [
            AlertView(it.key, it.severity, it.subject, it.message, it.advice, iso(it.since), it.decision)
            for it in active
        ],
    )

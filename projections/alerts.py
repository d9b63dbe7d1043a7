"""Alerts: what somebody ought to know and that is not over yet."""

from __future__ import annotations

import msgspec

from events.catalog import AlertRaised, AlertResolved, Severity
from events.envelope import Micros, Position, Recorded
from projections.fold import Fold


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert that is not resolved; `decision` is the event that raised it."""

    key: str
    severity: Severity
    subject: str
    message: str
    advice: str
    since: Micros
    decision: Position


class Alerts(msgspec.Struct, frozen=True):
    """The active alerts by key."""

    active: dict[str, Alert] = {}


fold: Fold[Alerts] = Fold()


@fold.on(AlertRaised)
def _raised(alerts: Alerts, it: Recorded, event: AlertRaised) -> Alerts:
    alert = Alert(event.key, event.severity, event.subject, event.message, event.advice, it.at, it.seq)
    return Alerts({**alerts.active, event.key: alert})


@fold.on(AlertResolved)
def _resolved(alerts: Alerts, _: Recorded, event: AlertResolved) -> Alerts:
    return Alerts({key: alert for key, alert in alerts.active.items() if key != event.key})

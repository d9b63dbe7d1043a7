"""What changed between two states, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from projections.health import Health
from projections.services import Instance
from projections.state import State
from projections.story import joined, kind_of_alert


def changes(before: State, after: State) -> list[str]:
    """What changed between two states, in plain words."""
    return [*_supervisor_changes(before, after), *_instance_changes(before, after), *_alert_changes(before, after)]


def _supervisor_changes(before: State, after: State) -> Iterator[str]:
    was, now = before.supervisor, after.supervisor
    if was.pid != now.pid:
        yield f"supervisor: pid {now.pid}" if now.pid else "supervisor: none"
    if was.going != now.going and now.going:
        yield "supervisor: stops everything" if now.going == "down" else "supervisor: leaves the services to themselves"
    new = [name for name in after.services.declared if name not in before.services.declared]
    gone = [name for name in before.services.declared if name not in after.services.declared]
    if new:
        yield f"declared: {', '.join(new)}"
    if gone:
        yield f"no longer declared: {', '.join(gone)}"


def _instance_changes(before: State, after: State) -> Iterator[str]:
    for name, now in after.services.instances.items():
        was = before.services.instances.get(name, Instance(name, now.service))
        parts = joined(_differences(was, now), "; ")
        if parts:
            yield f"{name}: {parts}"
        health = _health_change(before.health.by_instance.get(name), after.health.by_instance.get(name))
        if health:
            yield f"{name}: {health}"
    for name in before.services.instances:
        if name not in after.services.instances:
            yield f"{name}: gone"


def _differences(was: Instance, now: Instance) -> Iterator[str]:
    if was.wanted != now.wanted:
        yield "wanted" if now.wanted else "not wanted any more"
    if was.state != now.state:
        yield f"{was.state} → {now.state}"
    if now.pid and was.pid != now.pid:
        yield f"pid {now.pid}"
    if now.ports and was.ports != now.ports:
        yield "port " + ", ".join(str(port) for port in now.ports.values())
    if now.problem and (was.problem, was.failures) != (now.problem, now.failures):
        yield f"it {now.problem}"
    if now.bounce and not was.bounce:
        yield "to be replaced"


def _health_change(was: Health | None, now: Health | None) -> str:
    if now is None or (was.status if was else "unknown") == now.status:
        return ""
    detail = f" ({now.detail})" if now.detail else ""
    return f"{was.status if was else 'unknown'} → {now.status}{detail}"


def _alert_changes(before: State, after: State) -> Iterator[str]:
    for key, alert in after.alerts.active.items():
        if key not in before.alerts.active:
            yield f"alert: {alert.message}"
    for key in before.alerts.active:
        if key not in after.alerts.active:
            yield f"alert over: {kind_of_alert(key)}"

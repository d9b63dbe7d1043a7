"""Reasons for alerts, and those that lie in what the services offer."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from events.catalog import Severity, Value
from events.envelope import Micros, Position
from projections.conflicts import TOLD, route_conflicts
from projections.endpoints import Endpoints
from projections.paths import Conflict
from projections.state import State

BROKEN_SECONDS = 86_400


class Concern(msgspec.Struct, frozen=True):
    """A reason for an alert, as the state shows it; one with `again_at` ends by the passing of time."""

    severity: Severity
    message: str
    advice: str
    cause: Position
    rule: str
    values: dict[str, Value] = {}
    again_at: Micros | None = None


def of_endpoints(state: State) -> Iterator[tuple[str, str, Concern]]:
    """Key, service and reason of each alert about endpoints."""
    yield from _broken(state)
    yield from _clashing(state)


def _broken(state: State) -> Iterator[tuple[str, str, Concern]]:
    """Callers lost something they relied on; after a day they have noticed."""
    for name, interface in state.endpoints.by_service.items():
        for found in interface.sources.values():
            until = found.broke_at + BROKEN_SECONDS * 1_000_000
            if found.breaking and state.at < until:
                yield f"api_broken:{name}:{found.broke}", name, Concern(
                    "warning", f"{name} broke what its callers may rely on: {_some(found.breaking)}",
                    f"see `nexus endpoints diff --from {found.broke - 1} --service {name}`",
                    found.broke, "alerts.api_broken", {"changes": len(found.breaking), "first": found.breaking[0]},
                    until,
                )  # fmt: skip
        if bad := interface.quarantined:
            yield f"document:{name}", name, Concern(
                "info", f"what {name} says of itself at {bad.path} can't be used: {bad.reason}",
                f"mend the document, or write api = false for {name} in nexus.toml", bad.changed,
                "alerts.document_quarantined", {"path": bad.path},
            )  # fmt: skip


def _clashing(state: State) -> Iterator[tuple[str, str, Concern]]:
    """One alert for each service that clashes with itself, and for each pair that clash with one another."""
    groups: dict[tuple[str, str], list[Conflict]] = {}
    for it in route_conflicts(state.endpoints):
        if it.kind in TOLD:
            one, other = sorted((it.first.service, it.second.service))
            groups.setdefault((one, other), []).append(it)
    for (one, other), found in groups.items():
        it = found[0]
        within = one == other
        who = f"{one} has" if within else f"{one} and {other} both have"
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        yield f"routes:{one}" if within else f"routes:{one}+{other}", one, Concern(
            "warning" if within else "info",
            f"{who} {it.kind} endpoints: {it.first.method} {it.first.path} and {it.second.path} both take "
            f"{it.witness}{more}",
            f"see `nexus route explain {it.first.method} /{it.first.service}{it.witness}`"
            if within
            else "each has an address of its own through the gateway; on a shared one they would clash",
            _changed(state.endpoints, one, other), "alerts.route_conflict",
            {"kind": it.kind, "witness": it.witness, "conflicts": len(found)},
        )  # fmt: skip


def _changed(endpoints: Endpoints, *services: str) -> Position:
    """The last event that changed what these services offer."""
    found = [it.changed for name in services for it in endpoints.by_service[name].sources.values()]
    return max(found)


def _some(texts: tuple[str, ...]) -> str:
    more = f", and {len(texts) - 1} more" if len(texts) > 1 else ""
    return f"{texts[0]}{more}"

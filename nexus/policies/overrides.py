"""What would have been decided with other settings: policies that see changed declarations, the history untouched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from events.catalog import Probe, Restart, Service
from events.envelope import Draft
from nexus.policies.step import Policy
from projections.state import State

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", re.ASCII)
SECTIONS: dict[str, type[msgspec.Struct]] = {"restart": Restart, "probe": Probe}
PLAIN = (
    "start_timeout_seconds",
    "stop_timeout_seconds",
    "stop_signal",
    "autostart",
    "task",
    "replicas",
)
"""The settings of a service itself; its command, ports and dependencies belong to what happened."""


class Override(msgspec.Struct, frozen=True):
    """One changed setting: `service` is empty for all services, `section` for a setting of the service itself."""

    service: str
    section: str
    field: str
    value: Any


Declared = dict[str, Service]


def with_overrides(policies: Sequence[Policy], overrides: Mapping[str, str]) -> tuple[Policy, ...]:
    """The same policies, which see each `[SERVICE.]SETTING` with its new value: `{"restart.attempts_max": "5"}`.

    Raises ValueError that names the key for an unknown setting or a value of another type, and, once a policy is
    asked, for a service that is not declared.
    """
    changes = [_parse(key, text) for key, text in overrides.items()]
    if not changes:
        return tuple(policies)
    changed = _remembering(changes)
    return tuple(_seeing(policy, changed) for policy in policies)


def _seeing(policy: Policy, changed: Callable[[Declared], Declared]) -> Policy:
    def decide(state: State) -> Iterable[Draft]:
        services = msgspec.structs.replace(state.services, declared=changed(state.services.declared))
        return policy(msgspec.structs.replace(state, services=services))

    return decide


def _remembering(changes: Sequence[Override]) -> Callable[[Declared], Declared]:
    """The changed declarations, made anew only where a configuration was loaded."""
    last: tuple[Declared, Declared] = ({}, {})

    def changed(declared: Declared) -> Declared:
        nonlocal last
        if declared is not last[0]:
            last = declared, _apply(declared, changes)
        return last[1]

    return changed


def _apply(declared: Declared, changes: Sequence[Override]) -> Declared:
    result = dict(declared)
    for change in changes:
        if change.service and not declared:
            continue  # nothing is declared yet
        if change.service and change.service not in declared:
            names = ", ".join(sorted(declared)) or "none"
            raise ValueError(f"{change.service}.{change.field}: there is no service {change.service!r}; known: {names}")
        for name in [change.service] if change.service else declared:
            result[name] = _changed(result[name], change)
    return result


def _changed(service: Service, change: Override) -> Service:
    if not change.section:
        return msgspec.structs.replace(service, **{change.field: change.value})
    section = getattr(service, change.section)
    if section is None:
        return service
    section = msgspec.structs.replace(section, **{change.field: change.value})
    return msgspec.structs.replace(service, **{change.section: section})


def _parse(key: str, text: str) -> Override:
    for service, path in _readings(key):
        section, _, name = path.rpartition(".")
        fields = _fields(section)
        field = name if name in fields else f"{name}_seconds"
        if field in fields:
            return Override(service, section, field, _value(key, text, fields[field]))
    raise ValueError(
        f"{key}: there is no such setting; known are {', '.join(known_settings())}, each after SERVICE. too"
    )


def _readings(key: str) -> Iterator[tuple[str, str]]:
    """As a setting of all services, then as one of the service that it begins with."""
    yield "", key
    service, _, path = key.partition(".")
    if path:
        yield service, path


def _fields(section: str) -> dict[str, Any]:
    kind = SECTIONS.get(section, Service if not section else None)
    found = {} if kind is None else {field.name: field.type for field in msgspec.structs.fields(kind)}
    return found if section else {name: found[name] for name in PLAIN}


def known_settings() -> tuple[str, ...]:
    """Every setting that can be changed, as it is typed."""
    names = [name.removesuffix("_seconds") for name in PLAIN]
    sections = [f"{section}.{name.removesuffix('_seconds')}" for section in SECTIONS for name in _fields(section)]
    return (*names, *sections)


def _value(key: str, text: str, kind: Any) -> Any:
    try:
        if kind is float:
            return _seconds(text)
        if kind == tuple[float, ...]:
            return tuple(_seconds(part) for part in text.split(",") if part.strip())
        return msgspec.convert(None if text == "none" else text, kind, strict=False)
    except ValueError as error:
        raise ValueError(f"{key} = {text!r}: {error}") from None


def _seconds(text: str) -> float:
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("expected a duration such as 500ms, 2s or 1m")
    return float(match[1]) * UNIT_SECONDS[match[2]]

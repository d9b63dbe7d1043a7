"""What a new configuration changes, service by service: what has to start, stop or restart for it, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from events.catalog import ConfigurationLoaded, Service
from projections.services import Services, count_of, names_of

Action = Literal["start", "stop", "restart", "update", "declare", "forget"]

LIVE = frozenset({
    "name", "category", "depends_on", "restart", "probe", "start_timeout_seconds", "stop_timeout_seconds",
    "stop_signal", "autostart", "replicas", "replicas_max", "api", "gateway", "limits", "memory",
    "reload_signal", "groups", "profiles",
})  # fmt: skip
"""The fields that are applied to what runs; every other one takes a new run."""

KEYS = {
    "probe": "health", "replicas": "instances", "replicas_max": "instances", "digest": "environment (its values)",
    "memory": "memory_max",
    "start_timeout_seconds": "start_timeout", "stop_timeout_seconds": "stop_timeout",
}  # fmt: skip
"""What a field is called in nexus.toml, where not the same."""


class Step(msgspec.Struct, frozen=True):
    """What follows for one service, `keys` being those of its declaration that changed."""

    service: str
    action: Action
    why: str
    keys: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """What a reload would do; `changed` is whether it would load anything."""

    file: str
    changed: bool
    steps: list[Step]


def changed_keys(was: Service, now: Service) -> tuple[list[str], list[str]]:
    """The changed keys as nexus.toml has them: those that take a new run, and those that do not."""
    renewing: list[str] = []
    live: list[str] = []
    for field in Service.__struct_fields__:
        if getattr(was, field) == getattr(now, field) or (field == "digest" and not was.digest):
            continue  # what an older Nexus recorded has no digest
        keys, key = (live if field in LIVE else renewing), KEYS.get(field, field)
        if key not in keys:
            keys.append(key)
    return renewing, live


def kept_scales(services: Services, event: ConfigurationLoaded) -> dict[str, int]:
    """How many instances were asked for, where the file does not say something else now."""
    known = services.declared
    return {
        name: count
        for name, count in services.scaled.items()
        if name in known and name in event.services and _same_count(known[name], event.services[name])
    }


def _same_count(was: Service, now: Service) -> bool:
    return (was.replicas, was.replicas_max) == (now.replicas, now.replicas_max)


def plan(services: Services, event: ConfigurationLoaded) -> list[Step]:
    """What follows when this is loaded: nothing for a service that stays as it is."""
    after = msgspec.structs.replace(
        services, declared=event.services, scaled=kept_scales(services, event)
    )  # fmt: skip
    return [*_gone(services, event), *_there(services, after)]


def _gone(services: Services, event: ConfigurationLoaded) -> Iterator[Step]:
    for name in services.declared:
        if name not in event.services:
            runs = any(it.run for it in services.instances.values() if it.service == name)
            yield Step(name, "stop" if runs else "forget", "nexus.toml no longer has it")


def _there(services: Services, after: Services) -> Iterator[Step]:
    for name, service in after.declared.items():
        known = services.declared.get(name)
        if known is None:
            yield Step(name, *_new(after, service))
            continue
        renewing, live = changed_keys(known, service)
        runs = [it for it in services.instances.values() if it.service == name and it.run]
        if renewing and runs:
            yield Step(name, "restart", f"its {_listed(renewing)} changed", (*renewing, *live))
        elif renewing or live:
            how = "applied without a restart" if runs else "applied at its next start"
            yield Step(name, "update", f"its {_listed([*renewing, *live])} changed: {how}", (*renewing, *live))
        yield from _instances(services, after, name)


def _new(after: Services, service: Service) -> tuple[Action, str]:
    if not service.autostart:
        return "declare", "it is new, and not started by itself"
    if service.profiles and set(service.profiles).isdisjoint(after.profiles):
        return "declare", f"it is new, and only for the profile {' or '.join(service.profiles)}"
    return "start", "it is new"


def _instances(before: Services, after: Services, name: str) -> Iterator[Step]:
    """More instances or fewer of a service that is wanted."""
    was, now = count_of(before, name), count_of(after, name)
    if was != now and any(it.wanted for it in before.instances.values() if it.service == name):
        more = now > was
        changed = names_of(name, max(was, now))[min(was, now) :]
        yield Step(name, "start" if more else "stop", f"{', '.join(changed)}: {now} instances instead of {was}")


def _listed(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])} and {keys[-1]}"

"""The documents of all services at a moment: merged into one, and compared with those of another moment."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

import msgspec

from events.catalog import Endpoint
from nexus.registry import store
from nexus.registry.comparing import Change, compared, named
from nexus.registry.grammar import Json
from nexus.registry.merging import Part, inferred, merged
from projections.endpoints import SOURCES, Found, Interface
from projections.state import State


class ChangeView(msgspec.Struct, frozen=True):
    """An endpoint that is new, gone or different; `breaking` says what its callers can't rely on any more."""

    service: str
    endpoint: str
    change: Literal["added", "removed", "changed"]
    breaking: tuple[str, ...]
    notes: tuple[str, ...]


def whole(home: Path, state: State, gateway: str | None = None) -> Json:
    """One OpenAPI 3.1 document of everything that can be asked by HTTP."""
    keys = tuple(
        (name, _digest(interface), _others(interface)) for name, interface in state.endpoints.by_service.items()
    )
    return _whole(home, state.supervisor.project, keys, gateway)


def _digest(interface: Interface) -> str:
    return interface.sources.get("openapi", Found()).document


def _others(interface: Interface) -> tuple[Endpoint, ...]:
    """The endpoints that no document tells of."""
    documented = interface.sources.get("openapi", Found()).endpoints
    known = {(it.method, it.path) for it in documented}
    found = [it for source in SOURCES for it in interface.sources.get(source, Found()).endpoints]
    return tuple(it for it in found if (it.method, it.path) not in known)


@functools.lru_cache(maxsize=4)
def _whole(
    home: Path, project: str, keys: tuple[tuple[str, str, tuple[Endpoint, ...]], ...], gateway: str | None
) -> Json:
    parts = []
    for service, digest, others in keys:
        document = store.kept(home, digest) if digest else None
        if document is not None:
            parts.append(Part(service, f"/{service}", document))
        if others:
            parts.append(Part(service, f"/{service}", inferred(service, others)))
    return merged(project, parts, [gateway] if gateway else [])


def differences(home: Path, before: State, after: State, service: str | None = None) -> list[ChangeView]:
    """What changed between two moments, by service; where a document is not kept any more, by names alone."""
    was, now = before.endpoints.by_service, after.endpoints.by_service
    found = []
    for name in dict.fromkeys([*was, *now]):
        if service in (None, name):
            changes = _changes(home, was.get(name, Interface()), now.get(name, Interface()))
            found += [ChangeView(name, it.endpoint, it.change, it.breaking, it.notes) for it in changes]
    return found


def _changes(home: Path, before: Interface, after: Interface) -> list[Change]:
    was, now = _digest(before), _digest(after)
    by_name = {it.endpoint: it for it in named(_named(before), _named(after))}
    if was and now and was != now:
        old, new = store.kept(home, was), store.kept(home, now)
        if old is not None and new is not None:
            by_name |= {it.endpoint: it for it in compared("openapi", old, new)}
    return list(by_name.values())


def _named(interface: Interface) -> dict[str, None]:
    endpoints = [it for source in SOURCES for it in interface.sources.get(source, Found()).endpoints]
    return dict.fromkeys(f"{it.method} {it.path}{f' {it.name}' if it.name else ''}" for it in endpoints)

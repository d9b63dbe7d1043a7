"""The registry of endpoints: many real documents made into one, and thousands of routes looked at for clashes."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench.install import PLACE, install_documents
from events.catalog import Endpoint
from nexus.registry.errors import UnusableError
from nexus.registry.grammar import Json, operations, references
from nexus.registry.merging import Part, merged
from nexus.registry.parsing import BYTES_MAX, resolved
from nexus.registry.reading import read
from nexus.registry.validity import check
from projections.conflicts import taken
from projections.endpoints import Endpoints, Found, Interface
from projections.paths import Route, conflicts
from projections.state import State
from tests.registry.samples import PETS, SHOP, raw

ROUTES, SERVICES = 10_000, 50
REPEATS, QUICK_REPEATS = 7, 3


def run(quick: bool) -> dict[str, Any]:
    """Figures of reading, merging and checking."""
    repeats = QUICK_REPEATS if quick else REPEATS
    read_ms, documents, refused = _read(_documents())
    merge_ms, whole = _best(lambda: _merge(documents), repeats)
    check_ms, _ = _best(lambda: check(whole), 1)
    routes = _routes()
    clash_ms, found = _best(lambda: conflicts(routes), repeats)
    state = _state(routes)
    explain_ms, _ = _best(lambda: taken(state, "GET", "/r1/7"), repeats)
    figures = {
        "documents": len(documents), "refused": refused, "operations_in": sum(len(operations(it)) for it in documents),
        "operations_out": len(operations(whole)), "components": sum(map(len, whole["components"].values())),
        "lost_references": sum(resolved(whole, it) is None for it in references(whole)),
        "read_p50_ms": statistics.median(read_ms), "read_max_ms": max(read_ms), "merge_ms": merge_ms,
        "whole_check_ms": check_ms, "routes": len(routes), "clashes": len(found), "conflicts_ms": clash_ms,
        "explain_ms": explain_ms,
    }  # fmt: skip
    return {"figures": {"nexus": figures}, "ratios": {}}


def _best(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The shortest time in ms: what else the machine does only adds to it."""
    times, answer = [], None
    for _ in range(repeats):
        began = time.perf_counter()
        answer = work()
        times.append((time.perf_counter() - began) * 1000)
    return min(times), answer


def _documents() -> list[bytes]:
    """The documents of two packages of npm; without npm the two of our tests, again and again."""
    install_documents()
    folders = [PLACE / "node_modules" / "@readme" / "oas-examples", PLACE / "node_modules" / "@scalar" / "galaxy"]
    found = [path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if _is_document(path)]
    if not found:
        print("not measured with real documents: npm could not get them", file=sys.stderr)
    return found or [raw(SHOP), raw(PETS)] * 30


def _is_document(path: Path) -> bool:
    kind = path.suffix in (".json", ".yaml") and path.name != "package.json" and path.stat().st_size <= BYTES_MAX
    return kind and any(word in path.read_bytes()[:100_000] for word in (b'"openapi"', b'"swagger"', b"openapi:"))


def _read(raw_documents: list[bytes]) -> tuple[list[float], list[Json], int]:
    """How long each took to read and validate, those that can be used, and how many can't."""
    times, documents, refused = [], [], 0
    for content in raw_documents:
        began = time.perf_counter()
        try:
            found = read(content)
        except UnusableError as error:
            refused += 1
            print(f"refused: {error}", file=sys.stderr)
            continue
        times.append((time.perf_counter() - began) * 1000)
        if found.source == "openapi":
            documents.append(found.document)
    return times, documents, refused


def _merge(documents: list[Json]) -> Json:
    return merged("bench", [Part(f"s{number}", f"/s{number}", it) for number, it in enumerate(documents)])


def _routes() -> list[Route]:
    """The routes of services with resources, each with the usual eight."""
    shapes = [
        ("GET", ""), ("POST", ""), ("GET", "/{id}"), ("PUT", "/{id}"), ("DELETE", "/{id}"), ("GET", "/{id}/items"),
        ("GET", "/{id}/items/{item}"), ("GET", "/search"),
    ]  # fmt: skip
    return [
        Route(f"s{number % SERVICES}", method, f"/r{number}{path}")
        for number in range(ROUTES // len(shapes))
        for method, path in shapes
    ]


def _state(routes: list[Route]) -> State:
    by_service: dict[str, list[Endpoint]] = {}
    for it in routes:
        by_service.setdefault(it.service, []).append(Endpoint(it.method, it.path))
    interfaces = {
        name: Interface({"openapi": Found(tuple(found), (0,) * len(found))}) for name, found in by_service.items()
    }
    return msgspec.structs.replace(State(), endpoints=Endpoints(interfaces))

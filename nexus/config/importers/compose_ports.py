"""The published ports of compose files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nexus.config.importers.compose_values import Interpolation
from nexus.config.importers.drafts import Drafts
from nexus.config.lines import KeyPath
from nexus.config.values import is_port

SHORT = re.compile(
    r"(?:(?:(?P<host>\[[^\]]+\]|[^\[\]:]*):)?(?P<published>\d*(?:-\d+)?):)?(?P<target>\d+(?:-\d+)?)(?:/(?P<protocol>\w+))?"
)
EVERYWHERE = "0.0.0.0"  # noqa: S104
RANGE_MAX = 20


def ports_of(
    drafts: Drafts,
    variables: Interpolation,
    lines: Mapping[KeyPath, int],
    wanted: str,
    name: str,
    ports: list[Any],
) -> dict[str, Any]:
    """`port` or `ports` of nexus.toml, and as `environment` the variables that the numbers depend on."""
    requests: dict[str, dict[str, Any]] = {}
    variables.used = {}
    for place, given in enumerate(ports):
        line = lines.get(("services", wanted, "ports", place))
        found = _long(variables, given, line) if isinstance(given, dict) else _short(variables, given, line)
        if found is None:
            drafts.note(f"not understood: the port {given}", line, name)
        elif not found:
            drafts.note(f"Docker chooses where {given} is published: Nexus does not know that port", line, name)
        for request in found or ():
            key = f"p{request.pop('target')}"
            requests[key if key not in requests else f"{key}-{request['fixed']}"] = request
    environment = {"environment": dict(variables.used) if requests else {}}
    if len(requests) == 1:
        return {"port": next(iter(requests.values())), **environment}
    return {"ports": requests, **environment} if requests else environment


def _short(variables: Interpolation, given: Any, line: int | None) -> list[dict[str, Any]] | None:
    match = SHORT.fullmatch(variables.text(given, line))
    if match is None:
        return None
    return _requests(match["host"] or "", match["published"] or "", match["target"], match["protocol"] or "tcp")


def _long(variables: Interpolation, given: Mapping[str, Any], line: int | None) -> list[dict[str, Any]] | None:
    host, published, target, protocol = (
        variables.text(given.get(key), line) for key in ("host_ip", "published", "target", "protocol")
    )
    return _requests(host, published, target, protocol or "tcp")


def _requests(host: str, published: str, target: str, protocol: str) -> list[dict[str, Any]] | None:
    """One request for each published port; none where Docker chooses, None where it is not understood."""
    if not published:
        return []
    outside, inside = _range(published), _range(target)
    if outside is None or inside is None or protocol not in ("tcp", "udp") or len(outside) > RANGE_MAX:
        return None
    if len(outside) != len(inside):
        inside = inside * len(outside) if len(inside) == 1 else outside
    return [
        {"target": to, "fixed": port, "host": host.strip("[]") or EVERYWHERE}
        | ({"protocol": protocol} if protocol == "udp" else {})
        for port, to in zip(outside, inside, strict=False)
    ]


def _range(text: str) -> list[int] | None:
    first, _, last = text.partition("-")
    if not first.isdigit() or not (last or first).isdigit():
        return None
    numbers = list(range(int(first), int(last or first) + 1))
    return numbers if numbers and all(map(is_port, numbers)) else None

"""How the gateway leads to a service, from its key `gateway`."""

from __future__ import annotations

from typing import Any

from events.catalog import Exposure, PortRequest, RouteLimit
from nexus.config import keys
from nexus.config.errors import described, kind_of
from nexus.config.reader import Reader
from nexus.config.values import bytes_of

DEFAULT = keys.EXPOSURE_DEFAULTS


def read_exposure(reader: Reader, ports: tuple[PortRequest, ...]) -> Exposure:
    """What `gateway` says of a service with these ports. Raises ConfigurationError."""
    value: Any = reader.table.get("gateway", {})
    if value is False:
        return Exposure(open=False)
    inner = reader.reader("gateway", keys.GATEWAY)
    tcp = [port.name for port in ports if port.protocol == "tcp"]
    if inner.table and not tcp:
        raise reader.wrong(
            "gateway", expected="a service with a TCP port", found="one without", next_step='Add port = "auto".'
        )
    port = inner.text("port", "") or None
    if port and port not in tcp:
        raise inner.malformed("port", next_step=f"It has {', '.join(tcp)}.")
    everywhere = _limit(inner, "/*")
    limits = [everywhere] if everywhere != RouteLimit() else []
    return Exposure(
        port=port, sticky=inner.flag("sticky", DEFAULT.sticky),
        drain_seconds=inner.seconds("drain", DEFAULT.drain_seconds), limits=(*limits, *_routes(inner)),
    )  # fmt: skip


def _routes(inner: Reader) -> list[RouteLimit]:
    found = []
    for path, table in inner.subtable("routes").items():
        if not path.startswith("/") or "*" in path[:-1] or any(it.isspace() for it in path):
            raise inner.wrong(
                "routes", path, expected='a path such as "/upload/*"', found=described(path),
                next_step='It begins with "/", and may have one "*" at its end.',
            )  # fmt: skip
        if not isinstance(table, dict):
            raise inner.wrong(
                "routes", path, expected="a table", found=kind_of(table),
                next_step="For example: " + keys.GATEWAY["routes"].example,
            )  # fmt: skip
        found.append(_limit(Reader(inner.source, (*inner.path, "routes", path), table, keys.ROUTE), path))
    return found


def _limit(reader: Reader, path: str) -> RouteLimit:
    body_max = bytes_of(reader.table["body_max"]) if "body_max" in reader else None
    if body_max is None and "body_max" in reader:
        raise reader.malformed("body_max")
    timeout = reader.seconds("timeout", 0.0, positive=True) if "timeout" in reader else None
    return RouteLimit(path, body_max, timeout)

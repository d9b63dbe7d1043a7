"""How Nexus runs its own web API: as a supervised service of a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from events.catalog import PortRequest, Probe, Restart, Service
from projections.conditions import API, INTERNAL

INSTANCE = f"{API}.1"
LEASE = f"{INSTANCE}/main"
DELAYS_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0)


def declared(http: str) -> Service:
    """The web API as a service; `http` is "auto" or host and port."""
    host, _, port = http.rpartition(":")
    request = PortRequest() if http == "auto" else PortRequest(fixed=int(port), host=host.strip("[]"))
    return Service(
        name=API,
        command=("{python}", "-m", "nexus.http"),
        category=INTERNAL,
        ports=(request,),
        probe=Probe(kind="tcp"),
        restart=Restart(delays_seconds=DELAYS_SECONDS, attempts_max=1_000_000, stop_dependents=False),
    )


def command(home: Path, host: str, port: int) -> tuple[str, ...]:
    """The command line of the web API of `home`."""
    return (sys.executable, "-m", "nexus.http", "--home", str(home), "--host", host, "--port", str(port))


def url(host: str, port: int) -> str:
    """Where people find it."""
    place = f"[{host}]" if ":" in host else host
    return f"http://{place}:{port}"

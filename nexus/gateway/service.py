"""How Nexus runs its own gateway: two supervised services, the proxy, and the guide that tells it who is there."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import msgspec

from events.catalog import PortRequest, Probe, Restart, Service
from nexus.config.files import Settings
from nexus.gateway.caddy import Plan, config, plan_exposures
from nexus.http.private import write_private
from nexus.platforms.listen import socket_of
from projections.conditions import GATEWAY, GUIDE, INTERNAL

DELAYS_SECONDS = (0.0, 0.2, 1.0, 2.0, 4.0)
SOCKET = "-gateway"
"""What the gateway's own socket is for, as part of its name."""

NAMES, PAGE, USAGE = "names", "page", "usage"
Ports = Mapping[str, int]


def caddy() -> str | None:
    """Where Caddy is: that of the extra `gateway`, or the one on PATH; None without one."""
    name = "caddy.exe" if sys.platform == "win32" else "caddy"
    packages = Path(sysconfig.get_path("purelib"))
    beside = (Path(sysconfig.get_path("scripts")) / name, packages / ".data" / "scripts" / name, packages / name)
    return next((str(path) for path in beside if path.is_file()), shutil.which("caddy"))


def declared(settings: Settings, services: Mapping[str, Service]) -> dict[str, Service]:
    """The gateway as services, none where it is off; what it is told changes with what nexus.toml says of it."""
    if settings.gateway == "off":
        return {}
    host, _, port = settings.gateway.rpartition(":")
    scheme = "https" if settings.gateway_tls else "http"
    main = PortRequest(scheme) if settings.gateway == "auto" else PortRequest(scheme, int(port), host.strip("[]"))
    wishes = (settings.gateway_hosts, settings.gateway_tls, plan_exposures(services))
    digest = hashlib.sha256(msgspec.json.encode(wishes, order="sorted")).hexdigest()[:12]
    restart = Restart(delays_seconds=DELAYS_SECONDS, attempts_max=1_000_000, stop_dependents=False)
    guide = Service(
        name=GUIDE, command=("{python}", "-m", "nexus.gateway"), category=INTERNAL, restart=restart,
        ports=(PortRequest(PAGE), PortRequest(NAMES, protocol="udp"), PortRequest(USAGE, protocol="udp")),
        probe=Probe(kind="http", target="/health", port=PAGE, interval_seconds=2.0, timeout_seconds=1.0),
    )  # fmt: skip
    proxy = Service(
        name=GATEWAY, command=("caddy", "run", "--settings", digest), category=INTERNAL, ports=(main,),
        probe=Probe(kind="tcp", port=scheme), restart=restart, depends_on={GUIDE: "started"},
    )  # fmt: skip
    return {GUIDE: guide, GATEWAY: proxy}


def guide_command(home: Path, ports: Ports) -> tuple[str, ...]:
    """The command line of the guide."""
    words = (word for name in (NAMES, PAGE, USAGE) for word in (f"--{name}", str(ports[name])))
    return (sys.executable, "-m", "nexus.gateway", "--home", str(home), *words)


def gateway_command(
    home: Path, settings: Settings, services: Mapping[str, Service], ports: Ports, guide: Ports
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command line and environment of the proxy, whose configuration is written; raises ValueError."""
    binary = caddy()
    if binary is None:
        raise ValueError('there is no Caddy; install luminar-nexus[gateway], or write gateway = "off" in [nexus]')
    folder = home / "gateway"
    folder.mkdir(mode=0o700, exist_ok=True)
    request = declared(settings, services)[GATEWAY].ports[0]
    admin = socket_of(home, SOCKET)
    plan = Plan(
        host=request.host, port=ports[request.name], names=guide[NAMES], usage=guide[USAGE], page=guide[PAGE],
        admin=str(admin or ""), folder=folder, hosts=settings.gateway_hosts, tls=settings.gateway_tls,
        exposed=plan_exposures(services),
    )  # fmt: skip
    file = folder / "caddy.json"
    write_private(file, msgspec.json.encode(config(plan)))
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "GOGC": "400"}
    return (binary, "run", "--config", str(file)), environment

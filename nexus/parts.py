"""The parts of Nexus that it supervises like any other service: the web API, and the gateway with its guide."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from events.catalog import Service, service_of
from events.envelope import Recorded
from nexus.config.files import Configuration
from nexus.config.resolve import Ports, Resolved
from nexus.gateway import service as gateway
from nexus.http import service as api
from nexus.platforms.listen import socket_of
from nexus.sensors.drains import UnderWay, asked_over
from projections.conditions import API, GATEWAY, GUIDE
from projections.leases import lease_name
from projections.state import State


def declared(configuration: Configuration) -> dict[str, Service]:
    """The parts of Nexus, as services."""
    settings = configuration.settings
    return {API: api.declared(settings.http), **gateway.declared(settings, configuration.declared)}


def resolved(
    configuration: Configuration, home: Path, instance: str, ports: Ports, service_ports: Mapping[str, Ports]
) -> Resolved | None:
    """What a run of a part of Nexus needs, None for other services; raises ValueError where something is missing."""
    name, environment = service_of(instance), dict(os.environ)
    if name == API:
        request = api.declared(configuration.settings.http).ports[0]
        argv = api.command(home, request.host, ports[request.name])
    elif name == GUIDE:
        argv = gateway.guide_command(home, ports)
    elif name == GATEWAY:
        guide = service_ports.get(GUIDE, {})
        argv, environment = gateway.gateway_command(home, configuration.settings, configuration.declared, ports, guide)
    else:
        return None
    return Resolved(argv, environment, str(configuration.folder))


def url(state: State) -> str:
    """Where Nexus answers."""
    lease = state.leases.by_name.get(api.LEASE)
    return api.url(lease.host, lease.port) if lease else ""


def gateway_url(state: State) -> str:
    """Where the gateway answers, or is going to."""
    leases = (it for it in state.leases.by_name.values() if it.holder == f"{GATEWAY}.1" and it.state != "released")
    return next((f"{it.name.partition('/')[2]}://localhost:{it.port}" for it in leases), "")


def under_way(home: Path) -> UnderWay:
    """How many requests are under way, as the gateway of a home says."""
    return asked_over(socket_of(home, gateway.SOCKET))


class Nudge:
    """Tells the guide that there is something new in the log; a subscriber of the controller."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def tell(self, state: State, _: Sequence[Recorded]) -> None:
        """Send an empty datagram; where it is lost, the guide looks a little later by itself."""
        lease = state.leases.by_name.get(lease_name(f"{GUIDE}.1", gateway.NAMES))
        if lease is not None and lease.state == "used":
            with contextlib.suppress(OSError):
                self._socket.sendto(b"", ("127.0.0.1", lease.port))

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

"""Routes: who answers for a service through the gateway at this moment, and in words why nobody does."""

from __future__ import annotations

import msgspec

from events.catalog import PortRequest, Service
from events.envelope import Micros, Position
from projections.conditions import instances_of, is_internal, waits_for
from projections.services import Instance
from projections.state import State

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1", "localhost": "127.0.0.1"}  # noqa: S104
"""Where to reach what listens on all addresses."""

ON_ITS_WAY = ("waiting", "starting", "stopping")


class Upstream(msgspec.Struct, frozen=True):
    """An instance that may be asked, and where."""

    instance: str
    run: Position
    host: str
    port: int


def is_routed(service: Service) -> bool:
    """Whether the gateway leads to a service: it has a TCP port, and speaks HTTP as far as anybody knows."""
    return service.gateway.open and routed_port(service) is not None and not _speaks_postgres(service)


def _speaks_postgres(service: Service) -> bool:
    return service.probe is not None and service.probe.kind == "postgres"


def routed_port(service: Service) -> PortRequest | None:
    """The port that the gateway leads to: the one that is named, the main one, or the first."""
    found = {request.name: request for request in service.ports if request.protocol == "tcp"}
    return found.get(service.gateway.port or "main") or next(iter(found.values()), None)


def routed(state: State) -> dict[str, Service]:
    """The services that the gateway leads to, by name."""
    return {
        name: service
        for name, service in sorted(state.services.declared.items())
        if is_routed(service) and not is_internal(state, name)
    }


def upstreams(state: State, service: str) -> list[Upstream]:
    """The instances of a service that may be asked now: well, and not about to end."""
    declared = state.services.declared.get(service)
    if declared is None or is_internal(state, service) or not is_routed(declared):
        return []
    request = routed_port(declared)
    assert request is not None, "what is routed has a port"
    host = EVERYWHERE.get(request.host, request.host)
    return [
        Upstream(it.name, it.run, host, it.ports[request.name])
        for it in instances_of(state, service)
        if _answers(state, it) and request.name in it.ports
    ]


def _answers(state: State, instance: Instance) -> bool:
    return instance.state == "running" and not instance.draining and state.health.status(instance.name) != "unhealthy"


def soon(state: State, service: str, since: Micros) -> bool:
    """Whether somebody will answer shortly: an instance that is wanted is on its way, and was not before `since`."""
    return any(
        it.wanted and not it.delayed and (it.draining or (it.since >= since and it.state in ON_ITS_WAY))
        for it in instances_of(state, service)
    )


def why_not(state: State, service: str) -> str:
    """Why nobody answers for a service, in words that follow its name."""
    declared = state.services.declared.get(service)
    if declared is None or is_internal(state, service):
        return "is no service of this project"
    if not is_routed(declared):
        return "is not led to by the gateway: it has no port for HTTP, or nexus.toml keeps it to itself"
    words = [_why(state, it) for it in instances_of(state, service)]
    return next((it for it in words if it), "is well; it was asked, and did not answer")


def _why(state: State, instance: Instance) -> str:
    health = state.health.by_instance.get(instance.name)
    if instance.state == "failed":
        return f"was given up: it {instance.problem}"
    if instance.state == "running" and health and health.status == "unhealthy":
        return f"is unhealthy: {health.detail}"
    if instance.state in ("stopped", "declared"):
        return "is stopped: nobody wants it to run"
    if instance.state == "completed":
        return "is done"
    problem = f"{instance.problem}, and " if instance.problem and instance.state == "waiting" else ""
    waiting = waits_for(state, instance)
    return f"{problem}waits for {waiting}" if waiting else ""

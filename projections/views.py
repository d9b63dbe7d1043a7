"""What people and programs are shown of a state: the JSON forms of the command line and of REST.

Moments are ISO 8601 in UTC with microseconds. Fields are only ever added.
"""

from __future__ import annotations

import msgspec

from events.catalog import Condition, PortOwner
from events.envelope import Micros, Position
from projections.conditions import ALIVE, API, GATEWAY, instances_of, is_internal, met, waits_for
from projections.health import HealthStatus
from projections.leases import Lease
from projections.moments import iso
from projections.personal import PersonalLease
from projections.ports import OpenPort
from projections.services import Instance, InstanceState, count_of
from projections.state import State

STATES: tuple[InstanceState, ...] = (
    "failed", "stopping", "starting", "waiting", "running", "paused", "completed", "stopped", "declared"
)  # fmt: skip
"""A service is shown in the first of these states that one of its instances is in."""

HEALTHS: tuple[HealthStatus, ...] = ("unhealthy", "degraded", "stale", "unknown", "healthy")
"""A service is as well as its worst instance."""


class SupervisorView(msgspec.Struct, frozen=True):
    """Who supervises; `alive` is whether that process was there when this was asked."""

    pid: int
    version: str
    started_at: str
    alive: bool


class InstanceView(msgspec.Struct, frozen=True):
    """One replica: what its run does, and in words what it waits for and what went wrong last."""

    name: str
    state: InstanceState
    health: HealthStatus
    pid: int | None
    ports: dict[str, int]
    restarts: int
    started_at: str | None
    ready_at: str | None
    since: str | None
    wanted: bool
    run: Position | None
    failures: int
    waits_for: str
    problem: str
    health_detail: str


class ServiceView(msgspec.Struct, frozen=True):
    """A service with its replicas; `why` says in words why it is not where it is wanted.

    `scaled` is how many instances it is to have.
    """

    state: InstanceState
    health: HealthStatus
    category: str
    depends_on: list[str]
    instances: list[InstanceView]
    wanted: bool
    why: str
    scaled: int


class Status(msgspec.Struct, frozen=True):
    """Everything at a glance; `url` is where Nexus itself answers, `gateway` where all services do; null where not.

    `refused` says what is wrong with a changed nexus.toml that was not loaded; empty where nothing is.
    """

    seq: Position
    at: str
    url: str | None
    supervisor: SupervisorView | None
    services: dict[str, ServiceView]
    project: str
    alerts: int
    gateway: str | None = None
    refused: str = ""


class OwnerView(msgspec.Struct, frozen=True):
    """Who has a port, as far as it is known; a program of ours is named by its service and instance."""

    pid: int | None
    command: str | None
    user: str | None
    service: str | None
    instance: str | None
    container: str | None = None
    since: str | None = None


class PortView(msgspec.Struct, frozen=True):
    """A port that is leased or open; `foreign` is one that only strangers have."""

    port: int
    protocol: str
    state: str
    addresses: list[str]
    owners: list[OwnerView]
    since: str
    lease: str | None


class PortsView(msgspec.Struct, frozen=True):
    """The ports that are known of, by number."""

    seq: Position
    at: str
    ports: list[PortView]


class LeaseView(msgspec.Struct, frozen=True):
    """A port promised to a holder; `expires_at` is null for one without a term."""

    name: str
    port: int
    holder: str
    expires_at: str | None
    state: str
    since: str


class LeasesView(msgspec.Struct, frozen=True):
    """Every lease, by name."""

    seq: Position
    at: str
    leases: list[LeaseView]


class NodeView(msgspec.Struct, frozen=True):
    """A service in the graph."""

    name: str
    state: InstanceState
    health: HealthStatus
    category: str


class EdgeView(msgspec.Struct, frozen=True):
    """`service` needs `needs` to be `condition`."""

    service: str
    needs: str
    condition: Condition
    met: bool


class GraphView(msgspec.Struct, frozen=True):
    """Which service needs which; every node comes after those it needs."""

    seq: Position
    at: str
    nodes: list[NodeView]
    edges: list[EdgeView]


def status(state: State, now: Micros, alive: bool = True) -> Status:
    """Everything at a glance, at the moment `now`; `alive` is whether the recorded supervisor really runs."""
    supervisor = state.supervisor
    watched = alive and supervisor.pid > 0
    return Status(
        seq=state.seq,
        at=iso(now),
        url=url(state) if watched else None,
        supervisor=SupervisorView(supervisor.pid, supervisor.version, iso(supervisor.started_at), alive)
        if supervisor.pid
        else None,
        services={name: service(state, name, watched) for name in service_names(state)},
        project=supervisor.project,
        alerts=len(state.alerts.active),
        gateway=gateway_url(state) if watched else None,
        refused=supervisor.refused,
    )


def service_names(state: State) -> list[str]:
    """The services that people are shown, each after those it needs."""
    instances = state.services.instances.values()
    undeclared = {one.service for one in instances} - set(state.dependencies.order)
    return [name for name in (*state.dependencies.order, *sorted(undeclared)) if not is_internal(state, name)]


def url(state: State) -> str | None:
    """Where Nexus itself answers."""
    port = _own_port(state, API)
    return f"http://127.0.0.1:{port[1]}" if port else None


def gateway_url(state: State) -> str | None:
    """Where the gateway to all services answers; the name of its port is its scheme."""
    port = _own_port(state, GATEWAY)
    return f"{port[0]}://localhost:{port[1]}" if port else None


def service_url(state: State, name: str) -> str | None:
    """Where the gateway answers for a service under a name of its own."""
    port = _own_port(state, GATEWAY)
    return f"{port[0]}://{name}.localhost:{port[1]}" if port else None


def _own_port(state: State, service: str) -> tuple[str, int] | None:
    """The name and number of the port of a running part of Nexus."""
    instance = state.services.instances.get(f"{service}.1")
    if instance is None or instance.state != "running" or not is_internal(state, service):
        return None
    return next(iter(instance.ports.items()), None)


def service(state: State, name: str, watched: bool = True) -> ServiceView:
    """One service with its replicas."""
    declared = state.services.declared.get(name)
    instances = [_instance(state, one, watched) for one in instances_of(state, name)]
    states = {one.state for one in instances}
    healths = {one.health for one in instances if one.state in ALIVE}
    return ServiceView(
        state=next((state for state in STATES if state in states), "declared"),
        health=next((health for health in HEALTHS if health in healths), "unknown"),
        category=declared.category if declared else "",
        depends_on=list(declared.depends_on) if declared else [],
        instances=instances,
        wanted=any(one.wanted for one in instances),
        why=next((why for why in map(_why, instances) if why), ""),
        scaled=count_of(state.services, name) if declared else 0,
    )


def _instance(state: State, instance: Instance, watched: bool) -> InstanceView:
    health = state.health.by_instance.get(instance.name)
    alive = instance.state in ALIVE
    return InstanceView(
        name=instance.name,
        state=instance.state,
        health=state.health.status(instance.name) if watched or not alive else "stale",
        pid=instance.pid or None,
        ports=instance.ports,
        restarts=instance.restarts,
        started_at=_moment(instance.started_at if alive else 0),
        ready_at=_moment(instance.ready_at if alive else 0),
        since=_moment(instance.since),
        wanted=instance.wanted,
        run=instance.run or None,
        failures=instance.failures,
        waits_for=waits_for(state, instance),
        problem=instance.problem if instance.wanted else "",
        health_detail=health.detail if health else "",
    )


def _why(instance: InstanceView) -> str:
    if instance.state == "failed":
        return f"it {instance.problem}"
    if instance.state == "running" and instance.health in ("unhealthy", "degraded"):
        return instance.health_detail
    problem = f"it {instance.problem}; " if instance.problem and instance.state in ("waiting", "starting") else ""
    return f"{problem}waits for {instance.waits_for}" if instance.waits_for else ""


def _moment(at: Micros | None) -> str | None:
    return iso(at) if at else None


def ports(state: State) -> PortsView:
    """Every port that is leased or open, whoever has it, and those that strangers had when we asked for them."""
    found: dict[tuple[int, str], PortView] = {}
    for lease in state.leases.by_name.values():
        if lease.state not in ("refused", "released"):
            found[lease.port, lease.protocol] = _leased(state, lease)
    for personal in state.personal.by_name.values():
        if personal.port:
            shown = personal_lease(personal)
            found[personal.port, "tcp"] = PortView(
                personal.port, "tcp", shown.state, ["127.0.0.1"], [], shown.since, shown.name
            )  # fmt: skip
    for port in state.ports.open.values():
        known = found.get((port.port, port.protocol))
        found[port.port, port.protocol] = _open(state, port, known)
    for refusal in state.leases.refusals.values():
        owners = [_stranger(refusal.owner)] if refusal.owner else []
        seen = PortView(refusal.port, "tcp", "foreign", [], owners, iso(refusal.at), None)
        found.setdefault((refusal.port, "tcp"), seen)
    return PortsView(state.seq, iso(state.at), [view for _, view in sorted(found.items())])


def _leased(state: State, lease: Lease) -> PortView:
    use = state.ports.by_number.get(lease.port)
    owners = [_owner(state, use.instance)] if use else []
    return PortView(lease.port, lease.protocol, lease.state, [lease.host], owners, iso(lease.since), lease.name)


def _open(state: State, port: OpenPort, known: PortView | None) -> PortView:
    """What is seen open, added to what is known of that port."""
    ours = [_owner(state, port.instance)] if port.instance in state.services.instances else []
    owners = ours + [_stranger(owner) for owner in port.strangers]
    if known is None:
        state_word = "used" if port.instance else "bound" if port.bound else "foreign"
        return PortView(port.port, port.protocol, state_word, [port.address], owners, iso(port.since), None)
    return msgspec.structs.replace(
        known,
        addresses=sorted({*known.addresses, port.address}),
        owners=[*known.owners, *(owner for owner in owners if owner not in known.owners)],
    )


def _owner(state: State, name: str) -> OwnerView:
    instance = state.services.instances[name]
    declared = state.services.declared.get(instance.service)
    command = declared.command[0] if declared and declared.command else None
    user = (declared.user or None) if declared else None
    return OwnerView(instance.pid or None, command, user, instance.service, name)


def _stranger(owner: PortOwner) -> OwnerView:
    since = iso(owner.since) if owner.since else None
    return OwnerView(owner.pid, owner.command, owner.user, owner.service, owner.instance, owner.container, since)


def lease(lease: Lease) -> LeaseView:
    """One lease."""
    return LeaseView(lease.name, lease.port, lease.holder, None, lease.state, iso(lease.since))


def personal_lease(lease: PersonalLease) -> LeaseView:
    """One lease of a person or a program."""
    state = "used" if lease.state == "held" and lease.free_since is None else lease.state
    return LeaseView(lease.name, lease.port, lease.holder, _moment(lease.expires_at), state, iso(lease.since))


def leases(state: State) -> LeasesView:
    """Every lease that is not released, by name: those of people and programs first."""
    found = [personal_lease(one) for _, one in sorted(state.personal.by_name.items())]
    found += [lease(one) for _, one in sorted(state.leases.by_name.items()) if one.state != "released"]
    return LeasesView(state.seq, iso(state.at), found)


def graph(state: State) -> GraphView:
    """Which service needs which, and whether it has what it needs."""
    names = service_names(state)
    services = {name: service(state, name, True) for name in names}
    return GraphView(
        seq=state.seq,
        at=iso(state.at),
        nodes=[NodeView(name, it.state, it.health, it.category) for name, it in services.items()],
        edges=[
            EdgeView(name, needed, condition, met(state, needed, condition))
            for name in names
            for needed, condition in state.dependencies.needs.get(name, {}).items()
        ],
    )

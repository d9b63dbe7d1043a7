"""Which port a service gets: the one it had, else a stable first guess, else the next free one."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import PortChosen, PortReleased, PortRequest, Rejected, RestartScheduled
from events.envelope import Draft
from nexus.policies.allocation import Choice, Ground, Wish, choose
from nexus.policies.known_ports import usual_port
from projections.conditions import insisted_on
from projections.leases import Lease, lease_name
from projections.services import Instance
from projections.state import State

RETRY_SECONDS = 10
"""How long a port that a stranger had is left alone where no other is free."""


def decide(state: State) -> Iterator[Draft]:
    """Let go what is no longer asked for; choose a port for every instance that is to start and has none."""
    yield from _release(state)
    taken = state.leases.taken() | state.personal.taken() | state.reservations.taken()
    ground: Ground | None = None
    waiting: set[str] = set()
    for instance, request, lease in _wanted(state):
        if instance.name in waiting:
            continue
        ground = ground or Ground(state, taken)
        wish = wish_of(state, instance, request, lease)
        choice = _fixed(state, request, wish, taken) if request.fixed else choose(ground, wish, RETRY_SECONDS)
        if choice is not None:
            taken[choice.port] = wish.lease
            yield Draft(_chosen(state, instance, request, choice), _cause(instance, lease))
        elif not request.fixed:
            waiting.add(instance.name)
            yield Draft(_exhausted(state, instance, request), _cause(instance, lease))


def _wanted(state: State) -> Iterator[tuple[Instance, PortRequest, Lease | None]]:
    """The ports without a lease of every instance that is to start; one that is told to wait is asked no more."""
    for instance in state.services.instances.values():
        if instance.state != "waiting" or instance.delayed:
            continue
        for request in state.services.declared[instance.service].ports:
            lease = state.leases.by_name.get(lease_name(instance.name, request.name))
            if lease is None or lease.state in ("released", "refused"):
                yield instance, request, lease


def wish_of(state: State, instance: Instance, request: PortRequest, lease: Lease | None) -> Wish:
    """What an instance asks for with one of its ports."""
    return Wish(
        lease_name(instance.name, request.name), request.protocol, request.first, request.last,
        had=lease.port if lease else 0, usual=usual_port(state.services.declared[instance.service].command),
    )  # fmt: skip


def _cause(instance: Instance, lease: Lease | None) -> int:
    return max(instance.changed, lease.changed if lease else 0)


def _chosen(state: State, instance: Instance, request: PortRequest, choice: Choice) -> PortChosen:
    return PortChosen(
        instance=instance.name, lease=lease_name(instance.name, request.name), port=choice.port, host=request.host,
        protocol=request.protocol, rule="ports.fixed" if request.fixed is not None else "ports.stable",
        values={**choice.values, "pool": _range(state, request)}, rejected=choice.rejected,
    )  # fmt: skip


def _range(state: State, request: PortRequest) -> str:
    first, last = ends(state, request)
    return f"{first}-{last}"


def ends(state: State, request: PortRequest) -> tuple[int, int]:
    """First and last port that may be chosen for a request."""
    pool = state.supervisor.pool
    return (request.first, request.last) if request.first else (pool.first, pool.last)


def _fixed(state: State, request: PortRequest, wish: Wish, taken: dict[int, str]) -> Choice | None:
    """The number that is asked for, once no other lease has it; the same number of the other protocol is its own."""
    port = request.fixed or 0
    other = state.leases.by_name.get(taken.get(port, wish.lease))
    if taken.get(port, wish.lease) != wish.lease and (other is None or other.protocol == wish.protocol):
        return None
    return Choice(port, "nexus.toml asks for this number")


def _exhausted(state: State, instance: Instance, request: PortRequest) -> RestartScheduled:
    pool = state.supervisor.pool
    first, last = ends(state, request)
    inside = [port for port in state.leases.taken() if first <= port <= last]
    return RestartScheduled(
        instance=instance.name, attempt=instance.failures, due=state.at + RETRY_SECONDS * 1_000_000,
        rule="ports.exhausted", rejected=(Rejected("start without a port", f"it needs its port {request.name}"),),
        values={
            "port": request.name, "pool": _range(state, request), "size": last - first + 1, "leased": len(inside),
            "had by others": len(state.leases.refusals), "excluded": len(pool.excluded), "delay_seconds": RETRY_SECONDS,
        },
    )  # fmt: skip


def _release(state: State) -> Iterator[Draft]:
    for lease in state.leases.by_name.values():
        if lease.state in ("released", "refused", "used"):
            continue
        why = _not_asked_for(state, lease)
        if why:
            released = PortReleased(
                lease=lease.name, port=lease.port, rule="ports.undeclared", values={"holder": lease.holder, "why": why}
            )  # fmt: skip
            yield Draft(released, max(lease.changed, state.leases.declared_by))


def _not_asked_for(state: State, lease: Lease) -> str:
    """Why a lease is not needed any longer; empty while it is."""
    instance = state.services.instances.get(lease.holder)
    declared = state.services.declared.get(instance.service) if instance else None
    requests = declared.ports if declared else ()
    request = next((it for it in requests if lease_name(lease.holder, it.name) == lease.name), None)
    if request is None:
        return "nexus.toml no longer asks for it"
    if request.fixed is not None:
        return "" if request.fixed == lease.port else f"nexus.toml asks for {request.fixed} instead"
    other = insisted_on(state, lease)
    return f"nexus.toml asks for this number for {other}" if other else ""

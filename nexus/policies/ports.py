"""Which port a service gets: the one it had, else a stable first guess, else the next free one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from events.catalog import PortChosen, PortReleased, PortRequest, Rejected, RestartScheduled
from events.envelope import Draft
from projections.leases import Lease, lease_name
from projections.services import Instance
from projections.state import State

REJECTED_SHOWN = 8
REFUSAL_SECONDS = 600
"""How long a port that a stranger had is left alone while others are free."""

RETRY_SECONDS = 10
"""How long one that a stranger had is left alone where no other is free."""


class Choice(msgspec.Struct, frozen=True):
    """A port, why this one, and the better ones that could not be had."""

    port: int
    why: str
    rejected: tuple[Rejected, ...] = ()


def decide(state: State) -> Iterator[Draft]:
    """Let go what is no longer asked for; choose a port for every instance that is to start and has none."""
    yield from _release(state)
    taken = state.leases.taken() | state.personal.taken()
    for instance in state.services.instances.values():
        if instance.state != "waiting" or instance.delayed:
            continue
        for request in state.services.declared[instance.service].ports:
            lease = state.leases.by_name.get(lease_name(instance.name, request.name))
            if lease is not None and lease.state not in ("released", "refused"):
                continue
            name = lease_name(instance.name, request.name)
            choice = _fixed(request, name, taken) if request.fixed else choose(state, name, lease, taken, RETRY_SECONDS)
            if choice is not None:
                taken[choice.port] = name
                yield Draft(_chosen(state, instance, request, choice), _cause(instance, lease))
            elif not request.fixed:
                yield Draft(_exhausted(state, instance, request), _cause(instance, lease))
                break


def _cause(instance: Instance, lease: Lease | None) -> int:
    return max(instance.changed, lease.changed if lease else 0)


def _chosen(state: State, instance: Instance, request: PortRequest, choice: Choice) -> PortChosen:
    return PortChosen(
        instance=instance.name, lease=lease_name(instance.name, request.name), port=choice.port, host=request.host,
        protocol=request.protocol, rule="ports.fixed" if request.fixed is not None else "ports.stable",
        values={"why": choice.why, "pool": _pool(state)}, rejected=choice.rejected,
    )  # fmt: skip


def _pool(state: State) -> str:
    return f"{state.supervisor.pool.first}-{state.supervisor.pool.last}"


def _fixed(request: PortRequest, name: str, taken: dict[int, str]) -> Choice | None:
    """The number that is asked for, once no other lease has it."""
    port = request.fixed or 0
    return Choice(port, "nexus.toml asks for this number") if taken.get(port, name) == name else None


def choose(
    state: State, name: str, lease: Lease | None, taken: dict[int, str], retry_seconds: float = REFUSAL_SECONDS
) -> Choice | None:
    """The best port for a lease; where none is free, the one that a stranger had `retry_seconds` ago or longer."""
    rejected: list[Rejected] = []
    for port, why in _candidates(state, name, lease):
        problem = obstacle(state, port, name, taken)
        if not problem:
            return Choice(port, why, tuple(rejected[:REJECTED_SHOWN]))
        rejected.append(Rejected(str(port), problem))
    oldest = min(
        (it for it in state.leases.refusals.values() if not obstacle(state, it.port, name, taken, strangers=False)),
        key=lambda it: (it.at, it.port),
        default=None,
    )
    if oldest is None or state.at - oldest.at < retry_seconds * 1_000_000:
        return None
    return Choice(oldest.port, "none is free; this one was refused longest ago", tuple(rejected[:REJECTED_SHOWN]))


def obstacle(state: State, port: int, name: str, taken: dict[int, str], *, strangers: bool = True) -> str:
    """Why a port can't be had; empty when it can."""
    if taken.get(port, name) != name:
        return f"leased to {taken[port]}"
    if state.leases.fixed.get(port, name) != name:
        return f"nexus.toml asks for it for {state.leases.fixed[port]}"
    if port in state.supervisor.pool.excluded:
        return "excluded by nexus.toml"
    stranger = strangers and state.ports.stranger(port)
    if stranger:
        return f"open: {stranger.who}"
    refusal = state.leases.refusals.get(port)
    if strangers and refusal and state.at - refusal.at < REFUSAL_SECONDS * 1_000_000:
        return refusal.reason
    return ""


def _candidates(state: State, name: str, lease: Lease | None) -> Iterator[tuple[int, str]]:
    pool = state.supervisor.pool
    if lease is not None:
        yield lease.port, "this service had it last"
    size = pool.last - pool.first + 1
    first = stable_guess(state.supervisor.project, name, size)
    yield pool.first + first, "the stable first guess for this project and service"
    for step in range(1, size):
        yield pool.first + (first + step) % size, f"free, {step} after the stable first guess"


def stable_guess(project: str, name: str, size: int) -> int:
    """The same number below `size` for the same project and lease on every machine and in every replay."""
    digest = hashlib.sha256(f"{project}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % size


def _exhausted(state: State, instance: Instance, request: PortRequest) -> RestartScheduled:
    pool = state.supervisor.pool
    inside = [port for port in state.leases.taken() if pool.first <= port <= pool.last]
    return RestartScheduled(
        instance=instance.name, attempt=instance.failures, due=state.at + RETRY_SECONDS * 1_000_000,
        rule="ports.exhausted", rejected=(Rejected("start without a port", f"it needs its port {request.name}"),),
        values={
            "port": request.name, "pool": _pool(state), "size": pool.last - pool.first + 1, "leased": len(inside),
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
    other = state.leases.fixed.get(lease.port, lease.name)
    return "" if other == lease.name else f"nexus.toml asks for this number for {other}"

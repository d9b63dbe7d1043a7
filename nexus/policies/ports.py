"""Which port a service gets: the one it had, else a stable first guess, else the next free one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from events.catalog import PortChosen, PortReleased, PortRequest, Rejected
from events.envelope import Draft
from projections.leases import Lease, lease_name
from projections.services import Instance
from projections.state import State

REJECTED_SHOWN = 8


def decide(state: State) -> Iterator[Draft]:
    """Choose a port for every instance that is to start and has none; let go those of services no longer declared."""
    for instance in state.services.instances.values():
        declared = state.services.declared.get(instance.service)
        if declared is None or not instance.wanted or instance.state != "waiting":
            continue
        for request in declared.ports:
            lease = state.leases.by_name.get(lease_name(instance.name, request.name))
            if _needs_one(state, instance, request, lease):
                yield from _choose(state, instance, request, lease)
    yield from _release(state)


def _needs_one(state: State, instance: Instance, request: PortRequest, lease: Lease | None) -> bool:
    if lease is None or lease.state == "released":
        return True
    if request.fixed is not None and lease.port != request.fixed:
        return True
    return lease.state == "refused" and not instance.delayed


def _choose(state: State, instance: Instance, request: PortRequest, lease: Lease | None) -> Iterator[Draft]:
    name = lease_name(instance.name, request.name)
    cause = max(instance.changed, lease.changed if lease else 0)
    if request.fixed is not None:
        found: tuple[int, str, list[Rejected]] | None = (request.fixed, "nexus.toml asks for this number", [])
    else:
        found = _first_free(state, name, lease)
    if found is None:
        return
    port, why, rejected = found
    yield Draft(
        PortChosen(
            instance=instance.name, lease=name, port=port, host=request.host, protocol=request.protocol,
            rule="ports.fixed" if request.fixed is not None else "ports.stable",
            values={"why": why, "pool": f"{state.supervisor.pool.first}-{state.supervisor.pool.last}"},
            rejected=tuple(rejected[:REJECTED_SHOWN]),
        ),
        cause,
    )  # fmt: skip


def _first_free(state: State, name: str, lease: Lease | None) -> tuple[int, str, list[Rejected]] | None:
    """The best port, why, and the better ones that could not be had."""
    taken = state.leases.taken()
    rejected: list[Rejected] = []
    for port, why in _candidates(state, name, lease):
        if port in taken and taken[port] != name:
            rejected.append(Rejected(str(port), f"leased to {taken[port]}"))
        elif port in state.leases.refusals:
            rejected.append(Rejected(str(port), state.leases.refusals[port].reason))
        elif port in state.supervisor.pool.excluded:
            rejected.append(Rejected(str(port), "excluded by nexus.toml"))
        else:
            return port, why, rejected
    return None


def _candidates(state: State, name: str, lease: Lease | None) -> Iterator[tuple[int, str]]:
    if lease is not None:
        yield lease.port, "this service had it last"
    pool = state.supervisor.pool
    size = pool.last - pool.first + 1
    first = stable_guess(state.supervisor.project, name, size)
    yield pool.first + first, "the stable first guess for this project and service"
    for step in range(1, size):
        yield pool.first + (first + step) % size, f"free, {step} after the stable first guess"


def stable_guess(project: str, name: str, size: int) -> int:
    """The same number below `size` for the same project and lease on every machine and in every replay."""
    digest = hashlib.sha256(f"{project}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % size


def _release(state: State) -> Iterator[Draft]:
    for lease in state.leases.by_name.values():
        if lease.state not in ("released", "used") and lease.holder not in state.services.instances:
            yield Draft(
                PortReleased(
                    lease=lease.name, port=lease.port, rule="ports.undeclared", values={"holder": lease.holder}
                ),
                lease.changed,
            )

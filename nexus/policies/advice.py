"""What would spare trouble with ports, each with its reason: asked for, never done by itself."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from events.catalog import PortRequest, Service
from events.envelope import Position
from nexus.policies.allocation import Choice, free_ports
from nexus.policies.known_ports import AIRPLAY, BROWSER_UNSAFE
from projections.leases import WEEK
from projections.moments import iso
from projections.ports import OpenPort
from projections.state import State

FREQUENT = 3
EVERYWHERE = ("0.0.0.0", "::", "*")  # noqa: S104
RECOMMENDED = 3


class Advice(msgspec.Struct, frozen=True):
    """What is risky about a port, and what to do; `subject` is the service, or the port itself."""

    port: int
    subject: str
    rule: str
    problem: str
    next_step: str


class FreePort(msgspec.Struct, frozen=True):
    """A port to take, with its score and what it is made of."""

    port: int
    score: int
    terms: dict[str, int]


class AdviceView(msgspec.Struct, frozen=True):
    """The best free ports, and what to do about the others."""

    seq: Position
    at: str
    free: list[FreePort]
    advice: list[Advice]


def advice_view(state: State) -> AdviceView:
    """The same as people are shown it."""
    found = [shown(choice) for choice in free_ports(state, RECOMMENDED)]
    return AdviceView(state.seq, iso(state.at), found, list(advise(state)))


def shown(choice: Choice) -> FreePort:
    """A choice as a recommendation."""
    return FreePort(choice.port, choice.score, choice.terms)


def advise(state: State) -> Iterator[Advice]:
    """Everything that is worth a change, service by service."""
    for service in state.services.declared.values():
        for request in service.ports:
            if request.fixed is not None:
                yield from _fixed(state, service, request, request.fixed)
    yield from _pool(state)
    for port, moments in sorted(state.leases.conflicts.items()):
        recent = [at for at in moments if at > state.at - WEEK]
        if len(recent) >= FREQUENT:
            yield Advice(
                port, f"port {port}", "advice.conflicts", f"strangers had it {len(recent)} times this week",
                'let Nexus choose: port = "auto", or add it to excluded_ports',
            )  # fmt: skip
    for _, it in sorted(state.ports.open.items()):
        yield from _everywhere(state, it)
        yield from _left_over(state, it)


def _fixed(state: State, service: Service, request: PortRequest, port: int) -> Iterator[Advice]:
    machine, name = state.supervisor.machine, service.name
    auto = 'write port = "auto", or choose a number outside'
    if machine.ephemeral[0] <= port <= machine.ephemeral[1]:
        first, last = machine.ephemeral
        problem = f"it is in the ephemeral range {first}-{last}: any connection may take it before the service starts"
        yield Advice(port, name, "advice.ephemeral", problem, auto)
    if any(first <= port <= last for first, last in machine.reserved):
        yield Advice(port, name, "advice.reserved", "it is in a range that the system keeps back", auto)
    if request.protocol == "tcp" and port in BROWSER_UNSAFE:
        yield Advice(port, name, "advice.browsers", "no browser opens a page there", auto)
    if state.supervisor.platform == "darwin" and port in AIRPLAY:
        step = "choose another number, or switch the AirPlay receiver off"
        yield Advice(port, name, "advice.airplay", "macOS listens there for AirPlay", step)


def _pool(state: State) -> Iterator[Advice]:
    pool, (first, last) = state.supervisor.pool, state.supervisor.machine.ephemeral
    if first <= pool.last and pool.first <= last:
        yield Advice(
            max(first, pool.first), "the pool", "advice.ephemeral",
            f"the pool {pool.first}-{pool.last} reaches into the ephemeral range {first}-{last}",
            "choose a pool outside of it in nexus.toml",
        )  # fmt: skip


def _everywhere(state: State, port: OpenPort) -> Iterator[Advice]:
    service, _, _ = port.instance.rpartition(".")
    declared = state.services.declared.get(service)
    if declared is None or port.address not in EVERYWHERE:
        return
    asked = [request for request in declared.ports if request.host not in EVERYWHERE]
    if asked:
        yield Advice(
            port.port, service, "advice.everywhere",
            f"it listens on {port.address}, so that the whole network reaches it; nexus.toml asks for {asked[0].host}",
            f"have it listen on {asked[0].host}, or write that it is meant so: port = {{ host = \"0.0.0.0\" }}",
        )  # fmt: skip


def _left_over(state: State, port: OpenPort) -> Iterator[Advice]:
    instance = state.services.instances.get(port.instance)
    if port.instance and (instance is None or not instance.run):
        pids = ", ".join(str(owner.pid) for owner in port.owners if owner.instance)
        yield Advice(
            port.port, port.instance, "advice.left_over", f"a process of an earlier run still has it open (pid {pids})",
            "end that process: Nexus ends nothing by itself that it does not supervise",
        )  # fmt: skip

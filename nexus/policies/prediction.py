"""What is done about starts that are expected: their ports are held ahead, and let go where nobody comes."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import PatternReviewScheduled, PortRequest, PortReserved, Rejected, ReservationEnded, Value
from events.envelope import Draft, Micros, Position
from nexus.policies.allocation import Ground, Wish, choose
from nexus.policies.ports import wish_of
from projections.conditions import instances_of
from projections.deadlines import PATTERN_REVIEW
from projections.expectations import LEAD_MINUTES, Expectation, expectations, holds_from
from projections.leases import Lease, lease_name
from projections.patterns import MINUTE, Pattern, is_program, title
from projections.recurrence import DAY_MINUTES, SUPPORT_MIN
from projections.reservations import Reservation
from projections.series import NOTHING, WAYS, cost
from projections.services import Instance
from projections.state import State


def decide(state: State) -> Iterator[Draft]:
    """Hold the ports of what is due, let those go that were used or are no longer due, and look again in time."""
    known = [it for it in state.patterns.by_name.values() if it.series.count >= SUPPORT_MIN]
    if not known and not state.reservations.by_lease:
        return
    due = [] if state.supervisor.going else expectations(state.patterns)
    at = max(state.at, state.patterns.reviewed)
    surest = sorted(due, key=lambda it: it.sure or 0.0)
    now = {it.pattern: it for it in surest if holds_from(it) <= at < it.closes}
    for reservation in state.reservations.by_lease.values():
        if reservation.came or reservation.pattern not in now:
            cause = reservation.changed if reservation.came else max(reservation.changed, state.patterns.looked)
            yield Draft(_ended(state, reservation), cause)
    for name, expectation in now.items():
        yield from _reserve(state, name, expectation)
    if known and not state.supervisor.going:
        yield from _review(state, at, known, due)


# -- holding ---------------------------------------------------------------------------------------


def _reserve(state: State, name: str, expectation: Expectation) -> Iterator[Draft]:
    pattern = state.patterns.by_name[name]
    if is_program(name):
        yield from _for_program(state, name, pattern, expectation)
        return
    declared = state.services.declared.get(name.removeprefix("service/"))
    if declared is None or declared.predict.ports == "off":
        return
    for instance in instances_of(state, declared.name):
        for request in declared.ports:
            lease = state.leases.by_name.get(lease_name(instance.name, request.name))
            held = state.reservations.by_lease.get(lease_name(instance.name, request.name))
            if instance.run or lease is None or (held and held.state != "refused"):
                continue
            port = _port(state, instance, request, lease)
            if port is not None:
                yield Draft(
                    _reserved(state, lease.name, port, expectation, lease), max(_cause(state, pattern), lease.changed)
                )


def _cause(state: State, pattern: Pattern) -> Position:
    """What made it due: the last start, or the moment at which it was looked at again."""
    return max(pattern.changed, state.patterns.looked)


def _port(state: State, instance: Instance, request: PortRequest, lease: Lease) -> int | None:
    """The port to hold: the one it had, or another where a stranger has that one; None where there is nothing to do."""
    if lease.state == "idle":
        return lease.port
    if lease.state != "refused" or request.fixed is not None:
        return None
    choice = choose(_ground(state), wish_of(state, instance, request, lease))
    return choice.port if choice else None


def _ground(state: State) -> Ground:
    return Ground(state, state.leases.taken() | state.personal.taken() | state.reservations.taken())


def _for_program(state: State, name: str, pattern: Pattern, expectation: Expectation) -> Iterator[Draft]:
    """Another program's ports are kept from everybody who does not ask to reuse an address, as servers do."""
    if pattern.alive:
        return
    for port in sorted(pattern.ports):
        lease = f"{name}/{port}"
        wish = Wish(lease, first=port, last=port)
        if lease not in state.reservations.by_lease and not _ground(state).obstacle(port, wish):
            yield Draft(_reserved(state, lease, port, expectation, None), _cause(state, pattern))


def _reserved(state: State, lease: str, port: int, expectation: Expectation, own: Lease | None) -> PortReserved:
    pattern = state.patterns.by_name[expectation.pattern]
    return PortReserved(
        lease=lease, port=port, pattern=expectation.pattern, until=expectation.closes, rule="prediction.hold",
        host=own.host if own else "127.0.0.1", protocol="udp" if own and own.protocol == "udp" else "tcp",
        values=_values(pattern, expectation), rejected=_rejected(pattern, expectation),
    )  # fmt: skip


def _values(pattern: Pattern, expectation: Expectation) -> dict[str, Value]:
    found: dict[str, Value] = {"for": title(expectation.pattern, pattern), "pattern": expectation.why}
    if expectation.sure is not None:
        found["sure"] = round(expectation.sure, 2)
    return found | {"way": expectation.way, "starts seen": pattern.series.count, "lead_minutes": LEAD_MINUTES}


def _rejected(pattern: Pattern, expectation: Expectation) -> tuple[Rejected, ...]:
    """The other ways, with what each has cost beside the one that was taken."""
    taken = cost(pattern.series, expectation.way)
    return tuple(
        Rejected(
            "hold nothing" if name == NOTHING else name,
            f"cost {cost(pattern.series, name):.0f} min of waiting and misses so far, {expectation.way} {taken:.0f}",
        )
        for name in WAYS
        if name != expectation.way
    )


def _ended(state: State, reservation: Reservation) -> ReservationEnded:
    minutes = round((state.at - reservation.since) / MINUTE, 1)
    rule = "prediction.came_true" if reservation.came else "prediction.missed"
    values: dict[str, Value] = {"held for minutes": minutes, "state": reservation.state}
    rejected: tuple[Rejected, ...] = ()
    if not reservation.came:
        rejected = (Rejected("hold it longer", "the time in which it was expected is over"),)
        if state.supervisor.going:
            rule, rejected = "prediction.going", ()
    return ReservationEnded(
        lease=reservation.lease, port=reservation.port, protocol=reservation.protocol, pattern=reservation.pattern,
        came=reservation.came, rule=rule, values=values, rejected=rejected,
    )  # fmt: skip


# -- looking again ---------------------------------------------------------------------------------


def _review(state: State, at: Micros, known: list[Pattern], due: list[Expectation]) -> Iterator[Draft]:
    """The next moment at which something opens or closes, at the latest the next local midnight."""
    moments = [moment for it in due for moment in (holds_from(it), it.closes) if moment > at]
    following = min([*moments, _midnight(state, at)])
    deadline = state.deadlines.by_key.get(PATTERN_REVIEW)
    if deadline is None or deadline.due != following:
        review = PatternReviewScheduled(
            due=following, rule="prediction.review", values={"patterns": len(known), "due": len(due)}
        )  # fmt: skip
        yield Draft(review, max(it.changed for it in known))


def _midnight(state: State, at: Micros) -> Micros:
    offset = state.patterns.zone.offset_minutes(at)
    minute = at // MINUTE + offset
    return ((minute // DAY_MINUTES + 1) * DAY_MINUTES - offset) * MINUTE

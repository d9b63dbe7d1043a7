"""Ports for people and programs: granted on request, given back when their term ends or when nobody uses them."""

from __future__ import annotations

from collections.abc import Iterator

from events.catalog import LeaseEnded, LeaseGranted, LeaseReviewScheduled, Rejected, Value
from events.envelope import Draft
from nexus.policies.allocation import NEVER_SECONDS, Ground, Wish, choose, refusals
from projections.personal import PREFIX, PersonalLease
from projections.state import State

UNUSED_SECONDS = 300


def decide(state: State) -> Iterator[Draft]:
    """Grant what is asked for, hold again what an earlier supervisor held, and end what is over."""
    taken = state.leases.taken() | state.personal.taken() | state.reservations.taken()
    for lease in state.personal.by_name.values():
        if lease.state == "wanted":
            yield from _grant(state, lease, taken)
        elif lease.state == "unheld":
            again = LeaseGranted(
                lease=lease.name, port=lease.port, rule="leases.rebound", values={"holder": lease.holder}
            )  # fmt: skip
            yield Draft(again, lease.changed)
        elif lease.state == "returned":
            yield Draft(_ended(lease, "leases.returned", {"why": "it was given back"}), lease.changed)
        elif lease.state == "held":
            yield from _review(state, lease)


def _grant(state: State, lease: PersonalLease, taken: dict[int, str]) -> Iterator[Draft]:
    """The ports given back last come first in a range: it is known that nobody uses them."""
    freed = sorted(state.personal.freed.items(), key=lambda item: (-item[1], item[0]))
    wish = Wish(lease.name, first=lease.first, last=lease.last, freed=tuple(freed), ordered=lease.first > 0)
    ground = Ground(state, taken)
    choice = choose(ground, wish, NEVER_SECONDS)
    if choice is None:
        none: dict[str, Value] = {"why": "no port of the range is free", "first": lease.first, "last": lease.last}
        yield Draft(_ended(lease, "leases.exhausted", none, refusals(ground, wish)), lease.changed)
        return
    values: dict[str, Value] = {**choice.values, "holder": lease.holder, "term_seconds": lease.term_seconds}
    taken[choice.port] = lease.name
    granted = LeaseGranted(
        lease=lease.name, port=choice.port, rule="leases.asked", values=values, rejected=choice.rejected
    )  # fmt: skip
    yield Draft(granted, lease.changed)


def _review(state: State, lease: PersonalLease) -> Iterator[Draft]:
    if lease.expires_at is not None:
        end, rule = lease.expires_at, "leases.expired"
        values: dict[str, Value] = {"term_seconds": lease.term_seconds}
    elif lease.free_since is not None:
        end, rule = lease.free_since + UNUSED_SECONDS * 1_000_000, "leases.unused"
        values = {"free for": f"{(state.at - lease.free_since) // 1_000_000} seconds", "limit_seconds": UNUSED_SECONDS}
    else:
        return
    if state.at >= end:
        keep = Rejected("keep it", "its term is over" if lease.expires_at else f"nobody used it for {UNUSED_SECONDS} s")
        yield Draft(_ended(lease, rule, values, (keep,)), lease.changed)
    else:
        deadline = state.deadlines.by_key.get(PREFIX + lease.name)
        if deadline is None or deadline.due != end:
            review = LeaseReviewScheduled(lease=lease.name, due=end, rule="leases.review", values={"why": rule})
            yield Draft(review, lease.changed)


def _ended(
    lease: PersonalLease, rule: str, values: dict[str, Value], rejected: tuple[Rejected, ...] = ()
) -> LeaseEnded:
    return LeaseEnded(
        lease=lease.name, port=lease.port, rule=rule, values={**values, "holder": lease.holder}, rejected=rejected
    )  # fmt: skip

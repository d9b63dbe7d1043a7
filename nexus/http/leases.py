"""Leases over the web: a port that nobody else gets, for whoever asks by name."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nexus.http.commands import submit
from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.http.security import Caller
from nexus.http.shown import LeaseGiven, LeaseReleased
from nexus.http.tail import Tail
from projections import views
from projections.state import State

GRANT_SECONDS = 10.0
TERM_SECONDS_MAX = 366 * 86_400

LeaseName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class LeaseWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lease: perhaps only of ports from `first` to `last`; without a term, until it lies unused for five minutes."""

    name: LeaseName
    first: Port | None = None
    last: Port | None = None
    term_seconds: Annotated[float, msgspec.Meta(ge=1, le=TERM_SECONDS_MAX)] | None = None


class OfLease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lease, by name."""

    name: LeaseName


async def lease(tail: Tail, caller: Caller, key: str, asked: Asked[Nothing, Nothing]) -> LeaseGiven:
    """A port that is held for its name once this returns; raises Problem 409 where none is free, or 503."""
    wanted = asked.body
    assert isinstance(wanted, LeaseWanted)
    first, last = wanted.first or wanted.last, wanted.last or wanted.first
    if first and last and first > last:
        raise Problem(409, "the range of ports", "first up to last", f"{first} to {last}", "Turn them round.")
    arguments = {"lease": wanted.name, "first": first, "last": last, "term_seconds": wanted.term_seconds}
    given = {name: it for name, it in arguments.items() if it is not None}
    seq = await submit(tail, caller, key, "lease", arguments=given)

    def over(state: State) -> bool:
        known = state.personal.by_name.get(wanted.name)
        return state.seq >= seq and (known is None or known.state == "held")

    done = await tail.wait_for(over, GRANT_SECONDS)
    known = tail.state.personal.by_name.get(wanted.name)
    if known is None or not done:
        found = "none that is free" if done else f"none within {GRANT_SECONDS:g} s"
        raise Problem(
            409,
            f"the lease {wanted.name!r}",
            "a port of the range",
            found,
            "Widen the range, or release another lease.",
        )
    return LeaseGiven(seq, views.personal_lease(known))


async def release(tail: Tail, caller: Caller, key: str, asked: Asked[OfLease, Nothing]) -> LeaseReleased:
    """A lease less; raises Problem 404 or 503."""
    await tail.sync()
    name = asked.place.name
    known = tail.state.personal.by_name.get(name)
    if known is None:
        names = ", ".join(tail.state.personal.by_name) or "none"
        raise Problem(404, f"the lease {name!r}", f"one of: {names}", "no such one", "GET /api/leases lists them.")
    return LeaseReleased(await submit(tail, caller, key, "release", arguments={"lease": name}), name, known.port)

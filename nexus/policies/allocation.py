"""How good a port is for a lease: what rules it out, and the score of those that can be had, term by term."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from events.catalog import Rejected, Value
from nexus.policies.known_ports import ASSIGNED, BROWSER_UNSAFE
from projections.leases import WEEK
from projections.ports import OpenPort
from projections.state import State

REJECTED_SHOWN = 8
COMPARED_MAX = 8
"""How many ports that can be had are compared."""

REFUSAL_SECONDS = 600
"""How long a port that a stranger had is left alone while others are free."""

NEVER_SECONDS = 1e12
BLOCKS = 8
BLOCKED_FROM = 1_024
"""A pool of this size or more is divided into a block for each of the first people of the machine."""

LAST, USUAL, GUESS, GIVEN_BACK, FREE, BLOCK = 50, 25, 20, 15, 10, 5
CONFLICTS, ASSIGNED_TO, USED_BY, BESIDE, HANDED_OUT = -30, -15, -10, -5, -20
BESIDE_PORTS, BESIDE_BUSY = 3, 3


class Wish(msgspec.Struct, frozen=True):
    """What a lease asks for: the pool where there is no range; `had` is the port it had last, 0 for none.

    `usual` is the usual port of its program, with the name; `freed` are ports that were given back, with the moment;
    an `ordered` range is gone through from its first port on.
    """

    lease: str
    protocol: str = "tcp"
    first: int = 0
    last: int = 0
    had: int = 0
    usual: tuple[int, str] | None = None
    freed: tuple[tuple[int, int], ...] = ()
    ordered: bool = False


class Choice(msgspec.Struct, frozen=True):
    """A port, why this one, its score term by term, and the better ones that could not be had."""

    port: int
    why: str
    terms: dict[str, int] = {}
    rejected: tuple[Rejected, ...] = ()

    @property
    def score(self) -> int:
        """The sum of its terms."""
        return sum(self.terms.values())

    @property
    def values(self) -> dict[str, Value]:
        """What a decision quotes."""
        return {"why": self.why, "score": self.score, **self.terms}


class Ground:
    """What is known of the machine's ports at one moment; `taken` names the lease of each that is promised."""

    def __init__(self, state: State, taken: dict[int, str]) -> None:
        self.state, self.taken = state, taken
        self.strangers: dict[tuple[str, int], OpenPort] = {}
        self.open: set[int] = set()
        for port in state.ports.open.values():
            self.open.add(port.port)
            if port.strangers:
                self.strangers.setdefault((port.protocol, port.port), port)
        pool = state.supervisor.pool
        size = pool.last - pool.first + 1
        self.excluded = frozenset(pool.excluded)
        self.pool = (pool.first, pool.last)
        self.block = self.pool
        if size >= BLOCKED_FROM:
            first = pool.first + state.supervisor.machine.user % BLOCKS * (size // BLOCKS)
            self.block = (first, first + size // BLOCKS - 1)

    def obstacle(self, port: int, wish: Wish, *, strangers: bool = True) -> str:
        """Why a port can't be had; empty when it can."""
        promised = self._promised(port, wish)
        if promised or not strangers:
            return promised
        stranger = self.strangers.get((wish.protocol, port))
        if stranger:
            return f"open: {stranger.who}"
        refusal = self.state.leases.refusals.get(port)
        if refusal and self.state.at - refusal.at < REFUSAL_SECONDS * 1_000_000:
            return refusal.reason
        return ""

    def _promised(self, port: int, wish: Wish) -> str:
        """Why a port may not be had, whoever has it open."""
        fixed, machine = self.state.leases.fixed, self.state.supervisor.machine
        if self.taken.get(port, wish.lease) != wish.lease:
            return f"leased to {self.taken[port]}"
        if fixed.get(port, wish.lease) != wish.lease:
            return f"nexus.toml asks for it for {fixed[port]}"
        if port in self.excluded:
            return "excluded by nexus.toml"
        if any(first <= port <= last for first, last in machine.reserved):
            return "the system keeps it back"
        if port < machine.privileged_below:
            return f"below {machine.privileged_below}, which needs more rights than this user has"
        if wish.protocol == "tcp" and port in BROWSER_UNSAFE:
            return "no browser opens a page there"
        if self._handed_out(port) and not wish.first and not self._pool_is_handed_out():
            first, last = machine.ephemeral
            return f"the system hands it out to any connection (ephemeral range {first}-{last})"
        return ""

    def _handed_out(self, port: int) -> bool:
        first, last = self.state.supervisor.machine.ephemeral
        return first <= port <= last

    def _pool_is_handed_out(self) -> bool:
        """Whether nexus.toml leaves nothing else to choose from."""
        return self._handed_out(self.pool[0]) and self._handed_out(self.pool[1])

    # -- the score -------------------------------------------------------------------------------

    def terms(self, port: int, wish: Wish, guess: int) -> dict[str, int]:
        """What speaks for a port and what against it."""
        found = {
            "this service had it last": LAST if port == wish.had else 0,
            f"the usual port of {wish.usual[1] if wish.usual else ''}": (
                USUAL if wish.usual and port == wish.usual[0] else 0
            ),
            "given back, so nobody uses it": GIVEN_BACK if any(port == freed for freed, _ in wish.freed) else 0,
            "the stable first guess": GUESS if port == guess and not wish.ordered else 0,
            "free for tcp and udp, IPv4 and IPv6": FREE if port not in self.open else 0,
            "in the block of this user": BLOCK if self.block[0] <= port <= self.block[1] else 0,
            **self._against(port, wish),
        }
        return {words: term for words, term in found.items() if term}

    def _against(self, port: int, wish: Wish) -> dict[str, int]:
        known, at = self.state.leases, self.state.at
        conflicts = known.conflicts.get(port, ())
        weight = sum(max(0, 100 - (at - moment) * 100 // WEEK) for moment in conflicts)
        used = known.used.get(port)
        other = used is not None and used.lease != wish.lease and at - used.at < WEEK
        beside = range(port - BESIDE_PORTS, port + BESIDE_PORTS + 1)
        return {
            f"strangers had it {len(conflicts)} times": CONFLICTS * min(weight, 100) // 100 if weight else 0,
            "assigned to a known program": ASSIGNED_TO if port in ASSIGNED else 0,
            f"used by {used.lease if used else ''} this week": USED_BY if other else 0,
            "beside busy ports": BESIDE if sum(near in self.open for near in beside) >= BESIDE_BUSY else 0,
            "in the ephemeral range": HANDED_OUT if self._handed_out(port) else 0,
        }


def choose(ground: Ground, wish: Wish, retry_seconds: float = REFUSAL_SECONDS) -> Choice | None:
    """The best port for a lease; where none is free, the one that a stranger had `retry_seconds` ago or longer."""
    guess = stable_guess_of(ground, wish)
    rejected: list[Rejected] = []
    found: list[Choice] = []
    for port, why in _candidates(ground, wish, guess):
        problem = ground.obstacle(port, wish)
        if problem:
            rejected.append(Rejected(str(port), problem))
            continue
        found.append(Choice(port, why, ground.terms(port, wish, guess)))
        if len(found) == COMPARED_MAX:
            break
    if not found:
        return _refused_longest_ago(ground, wish, rejected, retry_seconds)
    best = max(found, key=lambda choice: choice.score)
    behind = max((it for it in found if it is not best), key=lambda choice: choice.score, default=None)
    shown = rejected[: REJECTED_SHOWN - 1]
    if behind is not None and 0 < behind.score < best.score:
        shown.append(Rejected(str(behind.port), f"score {behind.score}: {', '.join(behind.terms)}"))
    return msgspec.structs.replace(best, rejected=tuple(shown))


def refusals(ground: Ground, wish: Wish) -> tuple[Rejected, ...]:
    """Why none of the first candidates can be had."""
    candidates = islice(_candidates(ground, wish, stable_guess_of(ground, wish)), REJECTED_SHOWN)
    return tuple(Rejected(str(port), ground.obstacle(port, wish)) for port, _ in candidates)


def _refused_longest_ago(
    ground: Ground, wish: Wish, rejected: list[Rejected], retry_seconds: float
) -> Choice | None:  # fmt: skip
    first, last = (wish.first, wish.last) if wish.first else ground.pool
    state = ground.state
    oldest = min(
        (
            it
            for it in state.leases.refusals.values()
            if first <= it.port <= last and not ground.obstacle(it.port, wish, strangers=False)
        ),
        key=lambda it: (it.at, it.port),
        default=None,
    )
    if oldest is None or state.at - oldest.at < retry_seconds * 1_000_000:
        return None
    why = "none is free; this one was refused longest ago"
    return Choice(oldest.port, why, rejected=tuple(rejected[:REJECTED_SHOWN]))


def _candidates(ground: Ground, wish: Wish, guess: int) -> Iterator[tuple[int, str]]:
    """Ports worth a thought first, then every other one of the range, each once."""
    first, last = (wish.first, wish.last) if wish.first else ground.pool
    seen: set[int] = set()
    for port, why in (*_known(ground, wish), *_ring(ground, wish, guess, first, last)):
        if port not in seen and (first <= port <= last or (port == wish.had and not wish.first)):
            seen.add(port)
            yield port, why


def _known(ground: Ground, wish: Wish) -> Iterator[tuple[int, str]]:
    if wish.had:
        yield wish.had, "this service had it last"
    if wish.usual:
        yield wish.usual[0], f"the usual port of {wish.usual[1]}"
    for port, at in wish.freed:
        yield port, f"given back {(ground.state.at - at) // 1_000_000} s ago"


def _ring(ground: Ground, wish: Wish, guess: int, first: int, last: int) -> Iterable[tuple[int, str]]:
    """From the guess round the block of this user, then round the rest of the range."""
    yield guess, "the first free one" if wish.ordered else "the stable first guess for this project and service"
    block_first, block_last = (first, last) if wish.first else ground.block
    size = block_last - block_first + 1
    for step in range(1, size):
        port = block_first + (guess - block_first + step) % size
        yield port, "the first free one" if wish.ordered else f"free, {step} after the stable first guess"
    for port in range(first, last + 1):
        yield port, "free, outside the block of this user"


def stable_guess_of(ground: Ground, wish: Wish) -> int:
    """Where the search begins: the same for the same project, worktree and lease; a range by itself has an order."""
    first, last = (wish.first, wish.last) if wish.first else ground.block
    if wish.ordered:
        return first
    supervisor = ground.state.supervisor
    place = f"{supervisor.project}\0{supervisor.worktree}" if supervisor.worktree else supervisor.project
    return first + stable_guess(place, wish.lease, last - first + 1)


def stable_guess(project: str, name: str, size: int) -> int:
    """The same number below `size` for the same project and lease on every machine and in every replay."""
    digest = hashlib.sha256(f"{project}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % size


def free_ports(state: State, count: int) -> list[Choice]:
    """The best ports of the pool for whoever asks, the best first."""
    ground = Ground(state, state.leases.taken() | state.personal.taken() | state.reservations.taken())
    wish = Wish("a recommendation")
    guess = stable_guess_of(ground, wish)
    found = [
        Choice(port, why, ground.terms(port, wish, guess))
        for port, why in _candidates(ground, wish, guess)
        if not ground.obstacle(port, wish)
    ]
    return sorted(found, key=lambda choice: -choice.score)[:count]

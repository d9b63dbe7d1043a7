"""What the world must be able to do: one set of interfaces, several worlds.

Each world passes the conformance suite in `tests/platforms/conformance.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from events.catalog import Limits, PortOwner, Rejected
from events.envelope import Draft, Micros, Position


class Launch(msgspec.Struct, frozen=True):
    """Everything needed to start one run; it holds secrets and is never recorded."""

    instance: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    log_file: str
    user: str = ""
    ports: Mapping[int, str] = {}
    """The ports it is going to listen on, with the host of each; a refused start names the owner."""


class Clock(Protocol):
    """Time that never goes back: an anchor in wall time plus elapsed monotonic time."""

    def now(self) -> Micros:
        """The present moment."""


class Mailbox(Protocol):
    """Where sensors leave what they have seen."""

    def post(self, draft: Draft) -> None:
        """Leave an observation; safe from any thread."""

    async def wait(self, until: Micros | None) -> list[Draft]:
        """Everything left since the last call; sleeps until there is something, or until `until`."""


class Processes(Protocol):
    """Runs: begun once each, watched until their whole tree has ended, found again after a crash."""

    def start(self, run: Position, launch: Launch) -> list[Draft]:
        """Make run `run` exist: [RunStarted], or [RunRefused] which names what to do; what is not known yet is posted.

        Its end is posted.
        """

    def signal(self, run: Position, instance: str, signal: str, *, tree: bool) -> list[Draft]:
        """Send `signal` ("TERM") to that run and to nothing else; with `tree` to all its descendants."""

    def tell(self, run: Position, instance: str, signal: str) -> list[Draft]:
        """Send a signal that does not ask to end to the first process of that run alone."""

    def adopt(self, run: Position, instance: str) -> list[Draft]:
        """What became of a run of an earlier supervisor.

        Alive: [RunAdopted], and it is watched. Over: [RunExited]. Never begun: [RunAbandoned], and it never will.
        """

    def begun(self) -> Mapping[Position, str]:
        """Every run that was begun here and is not forgotten, with its instance; the history may have lost some."""

    def forget(self, run: Position) -> None:
        """Remove what was kept to find the run again; called once its end is recorded."""


class OpenSocket(msgspec.Struct, frozen=True):
    """A socket that waits for others: a listening TCP or a bound UDP one; `key` names it for as long as it lives.

    A `bound` one does not listen yet, a `brief` one was closed before it could be looked at.
    """

    key: int
    protocol: Literal["tcp", "udp"]
    address: str
    port: int
    uid: int | None = None
    bound: bool = False
    brief: bool = False


class Inventory(Protocol):
    """All open ports of the machine, whoever has them."""

    def look(self) -> tuple[list[OpenSocket], list[OpenSocket]]:
        """The sockets opened and those closed since the last look; the first one finds all that are open."""

    def pids(self, socket: OpenSocket) -> tuple[int, ...]:
        """Every process that has the socket open, lowest first; none where this user may not see them."""

    def owners(self, socket: OpenSocket) -> Sequence[PortOwner]:
        """The same with what is known of each; its user alone where it may not be seen."""

    def fileno(self) -> int | None:
        """What becomes readable when a socket was closed; None where the system does not say."""

    def close(self) -> None:
        """Let go of what it takes to look."""


class Figures(msgspec.Struct, frozen=True):
    """What an instance with everything that it started has used so far, or uses now; None is what nobody tells."""

    cpu_seconds: float
    memory_bytes: int
    processes: int
    threads: int
    files: int | None
    read_bytes: int | None
    written_bytes: int | None


class Machine(msgspec.Struct, frozen=True):
    """What the whole machine has; `busy_seconds` of all its cores together, so far."""

    cores: int
    busy_seconds: float
    memory_total_bytes: int
    memory_available_bytes: int


class Meter(Protocol):
    """What processes use."""

    def look(self, roots: Mapping[str, int]) -> Mapping[str, Figures]:
        """The figures of each instance, whose first process is given, with everything that it started."""

    def own_memory(self, instance: str) -> int | None:
        """The memory in bytes of an instance of the last look; what it shares with others is counted by its share.

        That is costly to find out.
        """

    def machine(self) -> Machine:
        """The whole machine, as far as this process may use it."""


class Limiter(Protocol):
    """What processes may use."""

    def apply(self, pid: int, limits: Limits) -> tuple[tuple[str, ...], tuple[Rejected, ...]]:
        """Limit a process and everything that it started: what was set, in words, and what the system refused."""


class Sockets(Protocol):
    """Ports: held for a lease, let go, and looked up."""

    def hold(self, port: int, host: str, protocol: str, *, shared: bool = False, alone: bool = False) -> str | None:
        """Keep the port from everybody else; None when it worked, otherwise why it did not.

        It is kept in IPv4 and IPv6, unless the one address is to be held `alone`.

        A `shared` one is kept from the system's own choice and from whoever does not ask to reuse an address: a program
        that does, as servers do, can listen on it.
        """

    def release(self, port: int, protocol: str = "") -> None:
        """Let a held port go, of both protocols where none is named; nothing happens when it is not held."""

    def owners(self, port: int, protocol: str = "tcp") -> Sequence[PortOwner]:
        """Who has the port open now, as far as this user may see."""

    def ephemeral_range(self) -> tuple[int, int]:
        """First and last port that the system hands out by itself, both included."""

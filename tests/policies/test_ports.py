"""Which port a service gets."""

from __future__ import annotations

from events.catalog import (
    Decision,
    PortChosen,
    PortOpened,
    PortOwner,
    PortPool,
    PortRefused,
    PortReleased,
    PortRequest,
    Rejected,
    RestartScheduled,
    Service,
    StartDecided,
)
from nexus.policies.allocation import stable_guess
from tests.given import SECOND, World, asked, declared, rules, service

POOL = PortPool(20_000, 20_003)
WEB = service("web", PortRequest())
GUESS = 20_000 + stable_guess("p", "web.1/main", 4)
NEXT = 20_000 + (GUESS - 20_000 + 1) % 4


def world_of(*services: Service, pool: PortPool = POOL) -> World:
    """A world in which no port is held until the test says so."""
    world = World(*services, pool=pool)
    world.ports_held = False
    return world


def chosen(decided: list[Decision]) -> PortChosen:
    """The one port that was chosen."""
    (found,) = (it for it in decided if isinstance(it, PortChosen))
    return found


def refused(port: int, reason: str = "address in use") -> PortRefused:
    """A stranger has it."""
    return PortRefused(lease="web.1/main", port=port, reason=reason, owner=PortOwner(pid=9, command="nginx"))


def test_the_stable_first_guess() -> None:
    """The same project and service get the same port wherever they are declared; others get others."""
    first, again = (chosen(world_of(WEB).when(asked("up"))) for _ in range(2))
    assert first == again
    assert (first.instance, first.lease, first.port) == ("web.1", "web.1/main", GUESS)
    assert (first.host, first.protocol, first.rule) == ("127.0.0.1", "tcp", "ports.stable")
    assert first.values == {
        "why": "the stable first guess for this project and service", "score": 20, "the stable first guess": 20,
        "free for tcp and udp, IPv4 and IPv6": 10, "in the block of this user": 5, "assigned to a known program": -15,
        "pool": "20000-20003",
    }  # fmt: skip
    assert first.rejected == ()
    guesses = {stable_guess(project, name, 12_768) for project in ("p", "q") for name in ("web.1/main", "web.2/main")}
    assert len(guesses) == 4


def test_the_wish_is_the_cause() -> None:
    """Somebody asked for the service."""
    world = world_of(WEB)
    assert world.cause(chosen(world.when(asked("up")))) == asked("up")


def test_a_fixed_port_is_taken_as_it_is() -> None:
    """Whatever the pool says, on the address and protocol that are asked for."""
    request = PortRequest(fixed=53, host="0.0.0.0", protocol="udp")
    choice = chosen(world_of(service("dns", request)).when(asked("up")))
    assert (choice.port, choice.host, choice.protocol, choice.rule) == (53, "0.0.0.0", "udp", "ports.fixed")
    assert choice.values["why"] == "nexus.toml asks for this number"


def test_every_obstacle_is_named() -> None:
    """Leased, asked for by another, excluded or open: each better candidate says why it was not taken."""
    first = GUESS - 20_000
    ring = [20_000 + (first + step) % 4 for step in range(4)]
    world = world_of(WEB, service("api", PortRequest(fixed=ring[1])), pool=PortPool(20_000, 20_003, (ring[2],)))
    world.when(PortOpened(port=ring[0], address="127.0.0.1", owners=(PortOwner(pid=9, command="nginx", user="root"),)))
    choice = chosen(world.when(asked("start", "web")))
    assert (choice.port, choice.values["why"]) == (ring[3], "free, 3 after the stable first guess")
    assert choice.rejected == (
        Rejected(str(ring[0]), "open: nginx (pid 9, user root)"),
        Rejected(str(ring[1]), "nexus.toml asks for it for api.1/main"),
        Rejected(str(ring[2]), "excluded by nexus.toml"),
    )


def test_two_leases_never_share_a_port() -> None:
    """Not even within one turn, and no service gets a port that a person has."""
    world = world_of(service("web", PortRequest(), PortRequest("admin"), replicas=2))
    ports = [it.port for it in world.when(asked("up")) if isinstance(it, PortChosen)]
    assert sorted(ports) == [20_000, 20_001, 20_002, 20_003]
    shown = [it.reason for lease in world.history for it in getattr(lease.event, "rejected", ())]
    assert all(it.startswith("leased to web.") for it in shown)


def test_a_stranger_who_was_faster_costs_one_candidate() -> None:
    """The next choice quotes the refusal as its reason, and is caused by it."""
    world = world_of(WEB)
    world.when(asked("up"))
    choice = chosen(world.when(refused(GUESS)))
    assert (choice.port, choice.rejected[0]) == (NEXT, Rejected(str(GUESS), "address in use"))
    assert world.cause(choice) == refused(GUESS)


def test_a_service_keeps_the_port_it_had() -> None:
    """Its lease outlives the run: the next run starts on it without a choice."""
    world = World(WEB)
    world.when(asked("up"))
    world.exits("web.1")
    (start,) = world.due("restart:web.1")
    assert isinstance(start, StartDecided)
    assert start.ports["main"] == world.state.leases.by_name["web.1/main"].port


def test_a_port_given_back_is_the_first_candidate() -> None:
    """One that had to go and is asked for again gets its old port, if it can be had."""
    world = world_of(WEB)
    old = chosen(world.when(asked("up"))).port
    world.when(declared(pool=POOL))
    world.when(declared(service("other", PortRequest(fixed=old + 100)), WEB, pool=PortPool(20_000, 20_100)))
    choice = chosen(world.when(asked("start", "web")))
    assert (choice.port, choice.values["why"]) == (old, "this service had it last")


def test_a_fixed_port_waits_for_the_one_that_has_it() -> None:
    """Nothing is decided for it until the other has let go."""
    world = World(WEB, pool=POOL)
    world.when(asked("up"))
    loaded = declared(WEB, service("api", PortRequest(fixed=GUESS)), pool=POOL)
    assert rules(world.when(loaded)) == ["ports.asked_for"]
    assert world.when(asked("start", "api")) == []
    decided = world.exits("web.1", 0)
    assert world.state.leases.by_name["api.1/main"].port == GUESS
    released = next(it for it in decided if isinstance(it, PortReleased))
    assert (released.lease, released.port, released.rule) == ("web.1/main", GUESS, "ports.undeclared")
    assert released.values == {"holder": "web.1", "why": "nexus.toml asks for this number for api.1/main"}


def test_a_port_that_nobody_asks_for_any_more_is_let_go() -> None:
    """With the service, with the request, or with the number; what is used stays until the run has ended."""
    world = world_of(WEB)
    world.when(asked("up"))
    gone = declared(service("web"), pool=POOL)
    (released, *_) = world.when(gone)
    assert isinstance(released, PortReleased)
    assert released.values["why"] == "nexus.toml no longer asks for it"
    assert world.cause(released) == gone
    world = world_of(WEB)
    world.when(asked("up"))
    released, choice = world.when(declared(service("web", PortRequest(fixed=8080)), pool=POOL))
    assert released.values["why"] == "nexus.toml asks for 8080 instead"
    assert chosen([choice]).port == 8080


def test_an_exhausted_pool_is_tried_again() -> None:
    """In ten seconds, with everything that is known of the pool, and an alert says so."""
    world = world_of(WEB, service("api", PortRequest(fixed=20_001)), pool=PortPool(20_000, 20_001, (20_000,)))
    scheduled, _ = world.when(asked("start", "web"))
    assert isinstance(scheduled, RestartScheduled)
    assert (scheduled.rule, scheduled.attempt, scheduled.due) == ("ports.exhausted", 0, world.state.at + 10 * SECOND)
    assert scheduled.values == {
        "port": "main", "pool": "20000-20001", "size": 2, "leased": 0, "had by others": 0, "excluded": 1,
        "delay_seconds": 10,
    }  # fmt: skip
    assert scheduled.rejected == (Rejected("start without a port", "it needs its port main"),)
    assert world.cause(scheduled) == asked("start", "web")
    assert rules(world.due("restart:web.1")) == ["ports.exhausted"]


def test_who_waits_for_one_port_is_told_to_wait_once() -> None:
    """The other ports of an instance are not asked for until it is tried again."""
    greedy = service("web", PortRequest(), PortRequest(name="admin"), PortRequest(name="debug"))
    world = world_of(greedy, pool=PortPool(20_000, 20_000, excluded=(20_000,)))
    decided = world.when(asked("up"))
    assert [it.values["port"] for it in decided if isinstance(it, RestartScheduled)] == ["main"]


def test_where_none_is_free_the_one_refused_longest_ago_is_tried() -> None:
    """Ten seconds later at the earliest, so that a stranger who is gone is noticed."""
    world = world_of(WEB, pool=PortPool(20_000, 20_001))
    first = chosen(world.when(asked("up"))).port
    second = chosen(world.when(refused(first), after_seconds=1)).port
    assert "ports.exhausted" in rules(world.when(refused(second), after_seconds=1))
    choice = chosen(world.due("restart:web.1"))
    assert (choice.port, choice.values["why"]) == (first, "none is free; this one was refused longest ago")
    assert {it.option for it in choice.rejected} == {str(first), str(second)}


def test_an_old_refusal_is_forgotten() -> None:
    """After ten minutes the port is a candidate like any other."""
    world = world_of(WEB)
    world.when(asked("up"))
    world.when(refused(GUESS))
    world.when(asked("stop", "web"), declared(pool=POOL))
    world.later(601)
    world.when(declared(WEB, pool=POOL))
    world.when(refused(NEXT))
    assert list(world.state.leases.refusals) == [NEXT]


def test_a_fixed_port_that_a_stranger_has_is_a_failure() -> None:
    """The ladder answers it, in the words of the refusal; no other port will do."""
    world = world_of(service("web", PortRequest(fixed=8080)))
    world.when(asked("up"))
    (scheduled,) = world.when(refused(8080))
    assert isinstance(scheduled, RestartScheduled)
    assert scheduled.values["problem"] == "could not have port 8080: address in use"
    choice = chosen(world.due("restart:web.1"))
    assert choice.port == 8080


def test_only_as_many_reasons_as_can_be_read() -> None:
    """Eight of them."""
    world = world_of(WEB, pool=PortPool(21_100, 21_119))
    first = stable_guess("p", "web.1/main", 20)
    for step in range(12):
        world.when(PortOpened(port=21_100 + (first + step) % 20, address="127.0.0.1"))
    choice = chosen(world.when(asked("up")))
    assert choice.values["why"] == "free, 13 after the stable first guess"
    assert choice.values["score"] == 15
    assert [it.reason for it in choice.rejected[:7]] == ["open: a process that this user may not see"] * 7

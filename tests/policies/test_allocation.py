"""How good a port is: what rules it out, and each term of its score."""

from __future__ import annotations

import msgspec
import pytest

from events.catalog import (
    PortChosen,
    PortClosed,
    PortOpened,
    PortOwner,
    PortPool,
    PortRefused,
    PortRequest,
    PortRules,
    Service,
    SupervisorStarted,
)
from nexus.policies.allocation import Choice, Ground, Wish, choose, free_ports, stable_guess, stable_guess_of
from nexus.policies.known_ports import usual_port
from projections.state import State
from tests.given import World, asked, declared, service

LINUX = PortRules(ephemeral=(32_768, 60_999))
POOL = PortPool(21_100, 21_119)


def state_of(pool: PortPool = POOL, machine: PortRules = LINUX, *more: object) -> State:
    """A machine with that pool and those rules, after which `more` happened."""
    world = World(pool=pool)
    world.when(SupervisorStarted(pid=1, machine=machine))
    for event in more:
        world.when(event)  # type: ignore[arg-type]
    return world.state


def best(state: State, **wish: object) -> Choice:
    """What is chosen for that wish."""
    found = choose(Ground(state, {}), Wish("web.1/main", **wish))  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("port", "machine", "wish", "reason"),
    [
        (6000, LINUX, {}, "no browser opens a page there"),
        (40_000, LINUX, {}, "the system hands it out to any connection (ephemeral range 32768-60999)"),
        (500, PortRules(privileged_below=1024), {}, "below 1024, which needs more rights than this user has"),
        (8000, PortRules(reserved=((7990, 8010),)), {}, "the system keeps it back"),
        (6000, LINUX, {"protocol": "udp"}, ""),
        (40_000, LINUX, {"first": 40_000, "last": 40_010}, ""),
        (8000, LINUX, {}, ""),
    ],
)
def test_what_rules_a_port_out(port: int, machine: PortRules, wish: dict[str, object], reason: str) -> None:
    """Each with its reason; who names a range of the ephemeral ports himself gets one."""
    ground = Ground(state_of(machine=machine), {})
    assert ground.obstacle(port, Wish("web.1/main", **wish)) == reason  # type: ignore[arg-type]


def test_a_stranger_of_the_other_protocol_costs_points_and_not_the_port() -> None:
    """TCP and UDP of one number are independent."""
    opened = PortOpened(port=21_105, protocol="udp", address="0.0.0.0", owners=(PortOwner(pid=9, command="dns"),))
    state = state_of(POOL, LINUX, opened)
    assert "free for tcp and udp, IPv4 and IPv6" not in Ground(state, {}).terms(21_105, Wish("web.1/main"), 0)
    assert Ground(state, {}).obstacle(21_105, Wish("web.1/main")) == ""
    assert "open: dns" in Ground(state, {}).obstacle(21_105, Wish("web.1/main", protocol="udp"))


def test_a_port_that_one_of_ours_has_open_is_no_strangers() -> None:
    """Whether it may be had is for the leases to say."""
    opened = PortOpened(port=21_105, protocol="tcp", address="127.0.0.1", instance="web.1")
    ground = Ground(state_of(POOL, LINUX, opened), {})
    assert (ground.open, ground.strangers) == ({21_105}, {})
    assert ground.obstacle(21_105, Wish("web.1/main")) == ""


def test_a_pool_inside_the_ephemeral_range_is_used_where_there_is_no_other() -> None:
    """It was asked for, and it costs points."""
    choice = best(state_of(PortPool(40_000, 40_009)))
    assert 40_000 <= choice.port <= 40_009
    assert choice.terms["in the ephemeral range"] == -20


def test_the_port_it_had_wins_over_everything() -> None:
    """The same port every time; the score says why, and what came second."""
    choice = best(state_of(), had=21_115)
    assert (choice.port, choice.why, choice.score) == (21_115, "this service had it last", 65)
    assert choice.rejected[-1].reason.startswith("score 35: the stable first guess")


def test_the_usual_port_of_a_framework_wins_in_a_range_that_has_it() -> None:
    """Unless the service had another one; outside the range it is no candidate."""
    choice = best(state_of(), first=5000, last=5999, usual=(5173, "vite"))
    assert (choice.port, choice.why) == (5173, "the usual port of vite")
    assert best(state_of(), usual=(5173, "vite")).port in range(21_100, 21_120)
    assert best(state_of(), first=5000, last=5999, had=21_107).port in range(5000, 6000)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (("npx", "vite", "--port", "1"), (5173, "vite")),
        (("python", "backend/manage.py", "runserver"), (8000, "django")),
        (("C:\\nodejs\\next.exe",), (3000, "next")),
        (("python", "app.py"), None),
    ],
)
def test_the_usual_port_follows_from_the_command(command: tuple[str, ...], found: tuple[int, str] | None) -> None:
    """The first known program counts, wherever it lies."""
    assert usual_port(command) == found


def test_conflicts_count_less_from_day_to_day() -> None:
    """Thirty points for one just now, half of it half a week later, none after a week."""
    world = World(service("web", PortRequest()), pool=POOL)
    world.ports_held = False
    chosen = world.when(asked("up"))[0]
    assert isinstance(chosen, PortChosen)
    world.when(PortRefused(lease="web.1/main", port=chosen.port, reason="in use"))

    def against() -> int:
        terms = Ground(world.state, {}).terms(chosen.port, Wish("web.1/main"), 0)
        return terms.get("strangers had it 1 times", 0)

    assert against() == -30
    world.later(3.5 * 86_400)
    assert against() == -15
    world.later(3.6 * 86_400)
    assert against() == 0


def test_a_port_of_another_service_of_this_week_is_left_to_it() -> None:
    """Ten points less, so that a service that comes back finds its port."""
    world = World(service("web", PortRequest()), pool=POOL)
    world.when(asked("up"))
    port = world.state.leases.by_name["web.1/main"].port
    terms = Ground(world.state, {}).terms(port, Wish("api.1/main"), 0)
    assert terms["used by web.1/main this week"] == -10
    world.exits("web.1")
    world.later(8 * 86_400)
    world.due("restart:web.1")
    assert list(world.state.leases.used) == [port]
    assert "used by web.1/main this week" not in Ground(world.state, {}).terms(port, Wish("web.1/main"), 0)


def test_a_busy_block_is_avoided() -> None:
    """Three open ports within three of it."""
    busy = [PortOpened(port=port, address="127.0.0.1") for port in (21_104, 21_106, 21_107)]
    ground = Ground(state_of(POOL, LINUX, *busy), {})
    assert ground.terms(21_105, Wish("a"), 0)["beside busy ports"] == -5
    assert "beside busy ports" not in ground.terms(21_115, Wish("a"), 0)


def test_people_of_one_machine_get_blocks_of_their_own() -> None:
    """The first guesses of two people never meet; where a block is full, the rest of the pool is used."""
    pool = PortPool(20_000, 27_999)
    blocks = [Ground(state_of(pool, PortRules(user=user)), {}).block for user in range(8)]
    assert blocks == [(20_000 + 1000 * user, 20_999 + 1000 * user) for user in range(8)]
    assert Ground(state_of(), {}).block == (POOL.first, POOL.last)
    full = dict.fromkeys(range(21000, 22000), "other")
    choice = choose(Ground(state_of(pool, PortRules(user=1)), full), Wish("web.1/main"))
    assert choice is not None
    assert (choice.port, choice.why) == (20_004, "free, outside the block of this user")


def test_each_worktree_keeps_ports_of_its_own() -> None:
    """The same project beside itself; the main checkout keeps the numbers that it has everywhere."""

    def guess(worktree: str) -> int:
        world = World()
        loaded = declared(pool=PortPool(20_000, 27_999))
        world.when(msgspec.structs.replace(loaded, worktree=worktree))
        return stable_guess_of(Ground(world.state, {}), Wish("web.1/main"))

    assert guess("") == 20_000 + stable_guess("p", "web.1/main", 1000)
    assert len({guess(""), guess("feature"), guess("review")}) == 3
    assert guess("feature") == guess("feature")


def test_a_range_of_its_own() -> None:
    """`prefer` takes the place of the pool; exhausted, it is named."""
    wanted = Service("web", ("vite",), ports=(PortRequest(first=5170, last=5171),))
    world = World(wanted)
    world.ports_held = False
    (chosen, *_) = world.when(asked("up"))
    assert isinstance(chosen, PortChosen)
    assert chosen.port in (5170, 5171)
    assert chosen.values["pool"] == "5170-5171"
    for port in (5170, 5171):
        world.when(PortOpened(port=port, address="0.0.0.0"))
    world.when(PortRefused(lease="web.1/main", port=chosen.port, reason="in use"))
    assert world.instance("web.1").delayed
    assert "5170-5171" in next(iter(world.state.alerts.active.values())).message


def test_the_same_number_for_tcp_and_udp() -> None:
    """Two fixed leases of one number do not wait for each other, nor does either move for the other."""
    dns = service("dns", PortRequest(fixed=53), PortRequest("udp", 53, protocol="udp"))
    world = World(dns)
    world.when(asked("up"))
    assert world.instance("dns.1").ports == {"main": 53, "udp": 53}
    assert world.later(10) == []
    assert world.instance("dns.1").state == "running"


def test_recommendations_are_free_and_say_why() -> None:
    """The best ports of the pool, each another one, as many as there are."""
    closed = PortClosed(port=1, address="127.0.0.1")
    state = state_of(PortPool(21_100, 21_103, (21_102,)), LINUX, closed)
    found = free_ports(state, 9)
    assert sorted(it.port for it in found) == [21_100, 21_101, 21_103]
    assert all("free for tcp and udp, IPv4 and IPv6" in it.terms for it in found)
    assert found[0].values["score"] == 35

"""The JSON forms of what is known."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from events.catalog import (
    CommandReceived,
    ConfigurationLoaded,
    PortChosen,
    PortOpened,
    PortOwner,
    PortRefused,
    PortRequest,
    ProbePassed,
    RunStarted,
    Service,
    StartDecided,
    SupervisorStarted,
)
from events.envelope import Draft, Recorded
from nexus.policies.step import step
from projections import alert_views, views
from projections.moments import iso
from projections.state import State, evolve_all
from tests.cli.homes import FIRST_TRY, GIVEN_UP, KILLED, LAST, incident
from tests.given import PID, World, asked, service

MINUTE = 60_000_000


def state_at(seq: int = LAST) -> State:
    """What was known at a position of the incident."""
    return evolve_all(State(), [it for it in incident() if it.seq <= seq])


def plain(value: object) -> Any:
    """What a program reads."""
    return msgspec.json.decode(msgspec.json.encode(value))


def test_status_has_the_documented_form() -> None:
    """Names and values as the reference of JSON forms has them."""
    state = state_at()
    shown = plain(views.status(state, state.at))
    assert (shown["seq"], shown["at"], shown["url"], shown["project"]) == (LAST, iso(state.at), None, "aurora")
    assert shown["supervisor"] == {
        "pid": 4000, "version": "0.1.0", "started_at": "2026-03-01T14:02:11.010251Z", "alive": True,
    }  # fmt: skip
    assert list(shown["services"]) == ["database", "router"]
    router = shown["services"]["router"]
    assert {name: router[name] for name in ("state", "health", "category", "depends_on", "wanted", "why")} == {
        "state": "running", "health": "healthy", "category": "web", "depends_on": ["database"], "wanted": True,
        "why": "",
    }  # fmt: skip
    (instance,) = router["instances"]
    assert {name: instance[name] for name in ("name", "state", "health", "pid", "ports", "restarts")} == {
        "name": "router.1", "state": "running", "health": "healthy", "pid": 4032, "ports": {"main": 20000},
        "restarts": 0,
    }  # fmt: skip
    assert instance["started_at"] == "2026-03-01T14:14:20.175251Z"


@pytest.mark.parametrize(
    ("seq", "service", "state", "why"),
    [
        (4, "router", "waiting", "waits for database to be healthy"),
        (KILLED + 1, "database", "waiting", "it was ended by signal KILL; waits for its next try, number 1"),
        (KILLED + 2, "router", "running", "GET /api/health answered 503 Service Unavailable"),
        (FIRST_TRY + 1, "database", "starting", "it was ended by signal KILL; waits for its first good answer"),
        (GIVEN_UP, "database", "failed", "it exited with code 1"),
        (GIVEN_UP + 1, "router", "stopping", "waits for the end of its processes"),
        (GIVEN_UP + 5, "router", "waiting", "waits for database, which was given up"),
    ],
)
def test_a_service_says_why_it_is_not_well(seq: int, service: str, state: str, why: str) -> None:
    """Each state on the way down has its reason in words."""
    shown = views.status(state_at(seq), 0).services[service]
    assert (shown.state, shown.why) == (state, why)


def test_health_is_stale_where_nobody_watches() -> None:
    """A supervisor that is gone knows nothing of what runs; what is down is not stale."""
    gone = views.status(state_at(), 0, alive=False)
    assert gone.supervisor is not None
    assert not gone.supervisor.alive
    assert {name: it.health for name, it in gone.services.items()} == {"database": "stale", "router": "stale"}
    assert views.status(state_at(GIVEN_UP), 0, alive=False).services["database"].health == "unknown"


def test_nothing_is_known_yet() -> None:
    """An empty history has a status too."""
    shown = views.status(State(), 0)
    assert (shown.seq, shown.supervisor, shown.services, shown.url) == (0, None, {}, None)


def replicas(*healths: str) -> State:
    """A service with a running instance for each health, `down` for one that does not run."""
    web = Service("web", ("web",), replicas=len(healths))
    history = [
        Recorded(1, 1, SupervisorStarted(pid=1)),
        Recorded(2, 2, ConfigurationLoaded(project="p", services={"web": web})),
        Recorded(3, 3, CommandReceived(verb="up")),
    ]
    for number, health in enumerate(healths, 1):
        name, seq = f"web.{number}", 10 * number
        if health != "down":
            history += [
                Recorded(seq, seq, StartDecided(rule="r", instance=name)),
                Recorded(seq + 1, seq + 1, RunStarted(instance=name, run=seq, pid=seq)),
            ]
        if health == "healthy":
            history.append(Recorded(seq + 2, seq + 2, ProbePassed(instance=name, run=seq)))
    return evolve_all(State(), history)


@pytest.mark.parametrize(
    ("healths", "state", "health"),
    [
        (("healthy", "healthy"), "running", "healthy"),
        (("healthy", "unknown"), "running", "unknown"),
        (("healthy", "down"), "waiting", "healthy"),
        (("down",), "waiting", "unknown"),
    ],
)
def test_a_service_is_as_well_as_its_worst_instance(healths: tuple[str, ...], state: str, health: str) -> None:
    """The state that needs attention is shown, and the worst health of those that run."""
    shown = views.status(replicas(*healths), 0).services["web"]
    assert (shown.state, shown.health, len(shown.instances)) == (state, health, len(healths))


def test_parts_of_nexus_are_not_listed_but_give_the_url() -> None:
    """The web API is where people look, not one of their services."""
    api = Service("nexus-api", ("api",), category="internal", ports=(PortRequest(),))
    state, _ = step(State(), [Draft(ConfigurationLoaded(project="p", services={"nexus-api": api}))], 1)
    state, _ = step(state, [Draft(CommandReceived(verb="up"))], 2)
    chosen = next(it for it in state.decisions.pending.values() if isinstance(it, PortChosen))
    history = [
        Recorded(90, 3, StartDecided(rule="r", instance="nexus-api.1", ports={"main": chosen.port})),
        Recorded(91, 4, RunStarted(instance="nexus-api.1", run=90, pid=7)),
    ]
    supervised = msgspec.structs.replace(state, supervisor=msgspec.structs.replace(state.supervisor, pid=1))
    shown = views.status(evolve_all(supervised, history), 5)
    assert (shown.services, shown.url) == ({}, f"http://127.0.0.1:{chosen.port}")
    assert views.status(evolve_all(supervised, history), 5, alive=False).url is None
    assert views.status(supervised, 5).url is None


def test_ports_name_owner_and_lease() -> None:
    """A port that a run has is its own; an idle one is still leased."""
    shown = plain(views.ports(state_at()))["ports"]
    assert [it["port"] for it in shown] == [20000, 21436]
    assert shown[1]["owners"] == [
        {
            "pid": 4031,
            "command": "postgres",
            "user": None,
            "service": "database",
            "instance": "database.1",
            "container": None,
            "since": None,
        }
    ]
    assert (shown[1]["state"], shown[1]["addresses"], shown[1]["lease"]) == ("used", ["127.0.0.1"], "database.1/main")
    idle = views.ports(state_at(GIVEN_UP)).ports[1]
    assert (idle.state, idle.owners) == ("idle", [])


def test_a_port_that_a_stranger_had() -> None:
    """It is told with its owner as far as known."""
    owner = PortOwner(pid=9, command="nginx", user="root")
    refused = PortRefused(lease="database.1/main", port=21436, reason="held by nginx", owner=owner)
    state = evolve_all(state_at(6), [Recorded(7, incident()[5].at + 1, refused, 5)])
    (foreign,) = [it for it in views.ports(state).ports if it.state == "foreign"]
    assert (foreign.port, foreign.lease, foreign.owners[0].command) == (21436, None, "nginx")
    unknown = msgspec.structs.replace(refused, owner=None)
    (foreign,) = views.ports(evolve_all(state_at(6), [Recorded(7, incident()[5].at + 1, unknown, 5)])).ports[1:]
    assert foreign.owners == []


def test_a_port_of_a_person_who_uses_it() -> None:
    """It is told with its lease; whoever listens is added to what is known of the port."""
    world = World(service("web"))
    world.when(asked("up"), CommandReceived(verb="lease", arguments={"lease": "ide", "first": 3000, "last": 3009}))
    (held,) = views.ports(world.state).ports
    assert (held.port, held.state, held.lease, held.addresses, held.owners) == (3000, "held", "ide", ["127.0.0.1"], [])
    editor = PortOwner(pid=9, command="code", user="ann")
    world.when(PortOpened(port=3000, address="::1", owners=(editor,)), PortOpened(port=3000, address="127.0.0.1"))
    (used,) = plain(views.ports(world.state))["ports"]
    assert (used["state"], used["addresses"]) == ("used", ["127.0.0.1", "::1"])
    assert [it["command"] for it in used["owners"]] == ["code", None]
    (lease,) = views.leases(world.state).leases
    assert (lease.name, lease.port, lease.state, lease.expires_at) == ("ide", 3000, "used", None)


def test_open_ports_without_a_lease() -> None:
    """One of ours is used, one of a stranger is foreign."""
    world = World(service("web"))
    world.when(asked("up"))
    world.when(PortOpened(port=8080, address="0.0.0.0", instance="web.1"), PortOpened(port=22, address="::"))
    foreign, ours = views.ports(world.state).ports
    assert (foreign.port, foreign.state, foreign.lease) == (22, "foreign", None)
    assert [(it.pid, it.instance) for it in foreign.owners] == [(None, None)]
    assert (ours.port, ours.state, ours.addresses) == (8080, "used", ["0.0.0.0"])
    assert [(it.pid, it.instance, it.service) for it in ours.owners] == [(PID, "web.1", "web")]


def test_a_lease_with_a_term_says_when_it_ends() -> None:
    """As a moment in UTC."""
    world = World()
    world.when(CommandReceived(verb="lease", arguments={"lease": "job", "term_seconds": 60}))
    (lease,) = views.leases(world.state).leases
    expires_at = world.state.personal.by_name["job"].expires_at
    assert expires_at is not None
    assert (lease.state, lease.expires_at) == ("held", iso(expires_at))


def test_a_lease_that_is_only_asked_for_has_no_port_to_show() -> None:
    """It is among the leases, but not among the ports."""
    request = CommandReceived(verb="lease", arguments={"lease": "ide"})
    state = evolve_all(State(), [Recorded(1, 1, request)])
    assert views.ports(state).ports == []
    (lease,) = views.leases(state).leases
    assert (lease.name, lease.port, lease.state) == ("ide", 0, "wanted")


def test_leases() -> None:
    """Name, port, holder, and no end while the holder is declared."""
    (first, _) = plain(views.leases(state_at()))["leases"]
    assert {name: first[name] for name in ("name", "port", "holder", "expires_at", "state")} == {
        "name": "database.1/main", "port": 21436, "holder": "database.1", "expires_at": None, "state": "used",
    }  # fmt: skip


def test_alerts_begin_with_the_most_severe() -> None:
    """What is critical stands first, each with what to do."""
    shown = alert_views.alerts(state_at(38)).alerts
    assert [(it.severity, it.decision) for it in shown] == [("critical", 35), ("warning", 38)]
    assert "nexus start database" in shown[0].advice


def test_the_graph_has_nodes_in_order_and_what_is_met() -> None:
    """Every node comes after those it needs; an edge says whether the need is met."""
    shown = plain(views.graph(state_at()))
    assert [node["name"] for node in shown["nodes"]] == ["database", "router"]
    assert shown["edges"] == [{"service": "router", "needs": "database", "condition": "healthy", "met": True}]
    assert not views.graph(state_at(GIVEN_UP)).edges[0].met

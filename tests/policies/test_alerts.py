"""What somebody ought to know."""

from __future__ import annotations

from events.catalog import (
    AlertRaised,
    AlertResolved,
    Decision,
    PortClosed,
    PortOpened,
    PortPool,
    PortRequest,
    Restart,
    Service,
)
from tests.given import SECOND, World, asked, declared, given_up, service

PATIENT = Restart(delays_seconds=(1.0,) * 20)


def raised(decided: list[Decision]) -> AlertRaised:
    """The one alert that was raised."""
    (found,) = (it for it in decided if isinstance(it, AlertRaised))
    return found


def resolved(decided: list[Decision]) -> AlertResolved:
    """The one alert that is over."""
    (found,) = (it for it in decided if isinstance(it, AlertResolved))
    return found


def up(*services: Service) -> World:
    """A world in which everything runs."""
    world = World(*services)
    world.when(asked("up"))
    return world


def test_one_that_is_given_up() -> None:
    """Critical, with the problem, how often it was tried and what to do; over as soon as somebody starts it."""
    world = up(service("web"))
    alert = raised(given_up(world, "web.1"))
    assert (alert.key, alert.severity, alert.subject) == ("given_up:web.1", "critical", "service/web")
    assert alert.message == "web.1 is down: it exited with code 1, and 3 tries did not help"
    assert alert.advice == "see `nexus logs web`, mend it, then `nexus start web`"
    assert (alert.rule, alert.values) == ("alerts.given_up", {"problem": "exited with code 1", "failures": 4})
    assert world.cause(alert).kind() == "service.given_up"
    since = world.state.alerts.active["given_up:web.1"].since
    over = resolved(world.when(asked("start", "web"), after_seconds=60))
    assert (over.key, over.subject, over.rule) == ("given_up:web.1", "service/web", "alerts.over")
    assert over.values == {"was": alert.message, "since": since}
    assert world.state.alerts.active == {}


def test_tries_are_counted_in_words() -> None:
    """None, or one."""
    assert raised(given_up(up(service("web", restart=Restart(when="never"))), "web.1")).message == (
        "web.1 is down: it exited with code 1"
    )
    assert raised(given_up(up(service("web", restart=Restart(attempts_max=1))), "web.1")).message == (
        "web.1 is down: it exited with code 1, and 1 try did not help"
    )


def test_one_that_waits_for_what_was_given_up() -> None:
    """It is told apart from the service that is to be mended, and resolved with it."""
    world = up(service("top", needs={"web": "started"}), service("web", needs={"db": "started"}), service("db"))
    given_up(world, "db.1")
    alert = raised(world.exits("top.1", 0))
    assert (alert.key, alert.severity) == ("stopped:top.1", "warning")
    assert alert.message == "top.1 is stopped: it needs web, which needs db, which was given up"
    assert alert.advice == "it comes back by itself once web is healthy"
    assert (alert.rule, alert.values) == ("alerts.dependency_lost", {"needs": "web"})
    alert = raised(world.exits("web.1", 0))
    assert (alert.key, alert.values) == ("stopped:web.1", {"needs": "db"})
    over = [it for it in world.when(asked("start", "db")) if isinstance(it, AlertResolved)]
    assert {it.key for it in over} == {"given_up:db.1", "stopped:web.1", "stopped:top.1"}
    assert {it.key: world.cause(it).kind() for it in over} == {
        "given_up:db.1": "start.decided", "stopped:web.1": "start.decided", "stopped:top.1": "start.decided",
    }  # fmt: skip


def test_one_that_waits_for_what_somebody_stopped_is_no_concern() -> None:
    """Whoever stopped it knows."""
    world = up(service("web", needs={"db": "started"}), service("db"))
    world.when(asked("stop", "db"))
    world.exits("web.1", 0)
    assert world.states()["web.1"] == "waiting"
    assert world.state.alerts.active == {}


def test_one_that_waits_for_a_port() -> None:
    """Critical, with the pool; over when a port is free again."""
    world = World(service("web", PortRequest("main", fixed=80), PortRequest("admin")), pool=PortPool(20_000, 20_000))
    world.when(PortOpened(port=20_000, address="127.0.0.1"))
    alert = raised(world.when(asked("up")))
    assert (alert.key, alert.severity) == ("no_port:web.1", "critical")
    assert alert.message == "web.1 waits for a port: none is free in 20000-20000"
    assert alert.advice == "widen the pool of ports in nexus.toml, or end what uses them: `nexus ports`"
    assert (alert.rule, alert.values) == ("alerts.no_port", {"port": "admin", "pool": "20000-20000"})
    over = resolved(world.when(PortClosed(port=20_000, address="127.0.0.1")))
    assert over.key == "no_port:web.1"


def test_one_whose_ports_are_held_waits_for_none() -> None:
    """It waits for its next try, and that is no concern."""
    world = up(service("web", PortRequest()))
    world.exits("web.1")
    assert world.states() == {"web.1": "waiting"}
    assert world.state.alerts.active == {}


def test_one_that_is_unhealthy_and_left_running() -> None:
    """A warning with the last answer, caused by it; over with the next good one."""
    world = up(service("web", probe=True, restart=Restart(on_unhealthy=False)))
    world.passes("web.1")
    alert = raised(world.fails("web.1"))
    assert (alert.key, alert.severity) == ("unhealthy:web.1", "warning")
    assert (alert.message, alert.advice) == ("web.1 is unhealthy: no answer", "see `nexus logs web`")
    assert (alert.rule, alert.values) == ("alerts.unhealthy", {"failures": 3, "last answer": "no answer"})
    assert world.cause(alert).kind() == "probe.failed"
    over = resolved(world.passes("web.1"))
    assert (over.key, world.cause(over).kind()) == ("unhealthy:web.1", "probe.passed")


def test_one_that_flaps() -> None:
    """Five failures within ten minutes; over when the first of them is ten minutes old, and not before."""
    world = up(service("web", restart=PATIENT))
    first_failed_at = 0
    for _ in range(4):
        assert not any(isinstance(it, AlertRaised) for it in world.exits("web.1"))
        first_failed_at = first_failed_at or world.state.at
        world.due("restart:web.1")
    alert = raised(world.exits("web.1"))
    assert (alert.key, alert.severity) == ("flapping:web.1", "warning")
    assert alert.message == "web.1 failed 5 times within 10 minutes"
    assert alert.advice == "its last problem: it exited with code 1; see `nexus logs web`"
    assert (alert.rule, alert.values) == ("alerts.flapping", {"failures": 5, "within_seconds": 600})
    assert alert.again_at == first_failed_at + 600 * SECOND
    world.due("restart:web.1")
    assert world.later(60) == []
    over = resolved(world.due("flapping:web.1"))
    assert over.key == "flapping:web.1"


def test_one_that_goes_on_flapping_is_told_again() -> None:
    """When its moment comes and there were newer failures, the alert stays with a later moment."""
    world = up(service("web", restart=PATIENT))
    for _ in range(5):
        world.exits("web.1")
        world.due("restart:web.1")
    world.exits("web.1")
    alert = raised(world.due("flapping:web.1"))
    assert alert.again_at == world.instance("web.1").failed_at[0] + 600 * SECOND
    assert alert.again_at > world.state.at


def test_an_alert_of_a_service_that_is_gone_is_over() -> None:
    """Nothing is left to name but the alert itself."""
    world = up(service("web", restart=Restart(when="never")))
    alert = raised(world.exits("web.1"))
    over = resolved(world.when(declared()))
    assert world.cause(over) is alert

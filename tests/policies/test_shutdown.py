"""When a run ends."""

from __future__ import annotations

import msgspec
import pytest

from events.catalog import (
    DeadlineReached,
    KillDecided,
    PortRequest,
    Rejected,
    Restart,
    RestartScheduled,
    RunAdopted,
    RunExited,
    RunStarted,
    Service,
    ServiceGivenUp,
    ShutdownCompleted,
    StartDecided,
    StopDecided,
    SupervisorStarted,
)
from tests.given import PID, SECOND, World, asked, declared, given_up, rules, service

WEB, DB = service("web", needs={"db": "started"}), service("db")


def up(*services: Service) -> World:
    """A world in which everything runs."""
    world = World(*services)
    world.when(asked("up"))
    return world


def test_what_somebody_stops_is_asked_to_end() -> None:
    """With its own signal, and a moment at which the patience ends; then it stays down."""
    odd = msgspec.structs.replace(service("web"), stop_signal="INT", stop_timeout_seconds=3.0)
    world = up(odd)
    run = world.instance("web.1").run
    (stop,) = world.when(asked("stop", "web"))
    assert isinstance(stop, StopDecided)
    assert (stop.instance, stop.run, stop.signal, stop.failure) == ("web.1", run, "INT", "")
    decided_at = next(it.at for it in world.history if it.event is stop)
    assert (stop.rule, stop.values, stop.rejected) == ("shutdown.asked", {"grace_seconds": 3.0}, ())
    assert stop.kill_at == decided_at + 3 * SECOND
    assert world.cause(stop) == asked("stop", "web")
    assert world.exits("web.1", 0) == []
    assert world.states() == {"web.1": "stopped"}
    assert world.state.deadlines.by_key == {}


def test_what_ignores_it_is_killed() -> None:
    """When its grace is over, not before, and once."""
    world = up(DB)
    world.when(asked("stop", "db"))
    assert world.later(9.0) == []
    (kill,) = world.due("kill:db.1")
    assert isinstance(kill, KillDecided)
    assert (kill.run, kill.rule, kill.values) == (world.instance("db.1").run, "shutdown.grace", {"grace_seconds": 10.0})
    assert kill.rejected == (Rejected("wait longer", "it was asked to end and had 10 s"),)
    assert isinstance(world.cause(kill), DeadlineReached)
    assert world.later(60.0) == []


def test_dependents_end_first() -> None:
    """`down` stops a service once those that need it have ended; the last end is the cause."""
    world = up(WEB, DB)
    (first,) = world.when(asked("down"))
    assert isinstance(first, StopDecided)
    assert (first.instance, first.rule, world.cause(first)) == ("web.1", "shutdown.down", asked("down"))
    (second,) = world.exits("web.1", 0)
    assert isinstance(second, StopDecided)
    assert (second.instance, second.rule, world.cause(second).kind()) == ("db.1", "shutdown.down", "run.exited")
    (done,) = world.exits("db.1", 0)
    assert isinstance(done, ShutdownCompleted)
    assert (done.rule, done.values, world.cause(done).kind()) == ("shutdown.down", {"left running": 0}, "run.exited")
    assert world.when(asked("stop", "web")) == []


def test_parts_of_nexus_end_last() -> None:
    """Whoever looks at the shutdown sees it to the end."""
    world = up(service("web"), service("console", category="internal"))
    assert [it.instance for it in world.when(asked("down")) if isinstance(it, StopDecided)] == ["web.1"]
    (stop,) = world.exits("web.1", 0)
    assert isinstance(stop, StopDecided)
    assert stop.instance == "console.1"


def test_detaching_leaves_everything_running() -> None:
    """The supervisor goes at once and says how much it leaves."""
    world = up(WEB, DB)
    (done,) = world.when(asked("detach"))
    assert isinstance(done, ShutdownCompleted)
    assert (done.rule, done.values, world.cause(done)) == ("shutdown.detach", {"left running": 2}, asked("detach"))
    assert world.states() == {"web.1": "running", "db.1": "running"}


def test_a_lost_dependency_ends_those_that_need_it() -> None:
    """One that is given up takes its dependents with it, all the way up; they come back with it."""
    world = up(service("top", needs={"web": "healthy"}), WEB, DB)
    decided = given_up(world, "db.1")
    assert isinstance(decided[0], ServiceGivenUp)
    (stop,) = (it for it in decided if isinstance(it, StopDecided))
    why = "needs db, which was given up"
    assert (stop.instance, stop.rule, stop.failure) == ("top.1", "dependency.lost", "")
    assert stop.values == {"web": why, "grace_seconds": 10.0}
    assert stop.rejected == (Rejected("leave it running", f"it needs web, which {why}"),)
    assert world.cause(stop) is decided[0]
    stops = [it for it in world.exits("top.1", 0) if isinstance(it, StopDecided)]
    assert [(it.instance, it.values["db"]) for it in stops] == [("web.1", "was given up")]
    world.exits("web.1", 0)
    assert world.states() == {"top.1": "waiting", "web.1": "waiting", "db.1": "failed"}
    world.when(asked("start", "db"))
    assert world.states() == {"top.1": "running", "web.1": "running", "db.1": "running"}


def test_a_dependency_that_nobody_wants_any_more_is_lost() -> None:
    """Somebody stops it, and those that need it end before it does."""
    world = up(WEB, DB)
    (stop,) = world.when(asked("stop", "db"))
    assert isinstance(stop, StopDecided)
    assert (stop.instance, stop.values["db"]) == ("web.1", "is not wanted any more")
    (stop,) = (it for it in world.exits("web.1", 0) if isinstance(it, StopDecided))
    assert (stop.instance, stop.rule) == ("db.1", "shutdown.asked")


def test_dependents_may_outlive_a_dependency() -> None:
    """`stop_dependents = false` leaves them running, and so does a task that was done before it was taken away."""
    world = up(WEB, service("db", restart=Restart(when="never", stop_dependents=False)))
    assert rules(world.exits("db.1")) == ["restart.given_up", "alerts.given_up"]
    assert world.states() == {"web.1": "running", "db.1": "failed"}
    world = up(service("web", needs={"migrate": "completed"}), service("migrate", task=True))
    world.exits("migrate.1", 0)
    assert world.when(asked("stop", "migrate")) == []
    assert world.states() == {"web.1": "running", "migrate.1": "stopped"}


def test_one_replica_that_is_left_is_enough() -> None:
    """Dependents stay while any instance is not given up."""
    world = up(WEB, service("db", replicas=2, restart=Restart(when="never")))
    assert rules(world.exits("db.1")) == ["restart.given_up", "alerts.given_up"]
    stopped = [it.instance for it in world.exits("db.2") if isinstance(it, StopDecided)]
    assert stopped == ["web.1"]


def test_a_restart_is_urgent() -> None:
    """Somebody asks for it: the run ends though others need it, they stay, and a new run follows at once."""
    world = up(WEB, DB)
    (stop,) = world.when(asked("restart", "db"))
    assert isinstance(stop, StopDecided)
    assert (stop.instance, stop.rule) == ("db.1", "restart.asked")
    assert stop.values == {"why": "somebody asked for a restart", "grace_seconds": 10.0}
    (start,) = world.exits("db.1", 0)
    assert isinstance(start, StartDecided)
    assert (start.instance, start.attempt) == ("db.1", 0)


def test_a_changed_declaration_replaces_the_run() -> None:
    """Only that of the changed service."""
    world = up(WEB, DB)
    (stop,) = world.when(declared(WEB, msgspec.structs.replace(DB, command=("db", "--fast"))))
    assert isinstance(stop, StopDecided)
    assert (stop.instance, stop.values["why"]) == ("db.1", "nexus.toml changed its command")


@pytest.mark.parametrize("killed", [False, True])
def test_what_is_no_longer_declared_ends_and_is_forgotten(killed: bool) -> None:
    """A service that is gone, with the patience that one without settings gets."""
    world = up(WEB, DB)
    (stop,) = world.when(declared(DB))
    assert isinstance(stop, StopDecided)
    assert (stop.instance, stop.rule, stop.signal) == ("web.1", "shutdown.undeclared", "TERM")
    assert stop.values == {"why": "nexus.toml no longer has it", "grace_seconds": 10.0}
    assert world.when(asked("start", "web")) == []
    if killed:
        (kill,) = world.due("kill:web.1")
        assert isinstance(kill, KillDecided)
        assert kill.values == {"grace_seconds": 10.0}
    assert world.exits("web.1", 0) == []
    assert world.states() == {"db.1": "running"}


def test_a_replica_too_many_waits_for_nobody() -> None:
    """Those that need the service have the others."""
    world = up(WEB, service("db", replicas=2))
    stopped = [it for it in world.when(declared(WEB, DB)) if isinstance(it, StopDecided)]
    asked_for = {it.instance: it.rule for it in stopped}
    assert asked_for["db.2"] == "shutdown.asked"
    assert world.when(asked("start", "db")) == []
    world.exits("db.2", 0)
    assert "db.2" not in world.states()


def test_a_start_that_takes_too_long_is_a_failure() -> None:
    """The last answer is quoted, and the end that follows is answered by the ladder."""
    world = up(service("web", probe=True))
    world.fails("web.1", 1)
    (stop,) = world.due("ready:web.1")
    assert isinstance(stop, StopDecided)
    assert (stop.rule, stop.failure) == ("startup.timeout", "was not ready within 60 s: no answer")
    assert stop.values == {"start_timeout_seconds": 60.0, "last answer": "no answer", "grace_seconds": 10.0}
    assert stop.rejected == (Rejected("wait longer", "start_timeout is 60 s"),)
    assert isinstance(world.cause(stop), DeadlineReached)
    (scheduled,) = world.exits("web.1", None, "TERM")
    assert isinstance(scheduled, RestartScheduled)
    assert scheduled.values["problem"] == "was not ready within 60 s: no answer"


def test_an_unhealthy_run_is_replaced() -> None:
    """It failed as often in a row as is allowed; fewer failures change nothing."""
    world = up(service("web", probe=True))
    world.passes("web.1")
    assert world.fails("web.1", 2) == []
    stop, *_ = world.fails("web.1", 3)
    assert isinstance(stop, StopDecided)
    assert (stop.rule, stop.failure) == ("health.unhealthy", "is unhealthy: no answer")
    assert stop.values == {"failures": 3, "last answer": "no answer", "grace_seconds": 10.0}
    assert stop.rejected == (Rejected("leave it running", "3 checks in a row failed"),)
    assert world.cause(stop).kind() == "probe.failed"


def test_a_port_that_another_insists_on_is_given_up() -> None:
    """The one that may move ends at once, and starts again on another port."""
    world = up(service("web", PortRequest()))
    port = world.instance("web.1").ports["main"]
    loaded = declared(service("web", PortRequest()), service("api", PortRequest(fixed=port)))
    (stop,) = world.when(loaded)
    assert isinstance(stop, StopDecided)
    assert (stop.instance, stop.rule) == ("web.1", "ports.asked_for")
    assert stop.values == {"port": port, "for": "api.1/main", "grace_seconds": 10.0}
    assert stop.rejected == (
        Rejected("let the other wait", f"nexus.toml asks for {port} for api.1/main, and this one may move"),
    )
    assert world.cause(stop) == loaded
    world.exits("web.1", 0)
    assert world.instance("web.1").ports["main"] != port


def test_one_that_insists_keeps_its_port() -> None:
    """Its own wish is no reason to end it."""
    world = up(service("api", PortRequest(fixed=8080)))
    assert world.later(1.0) == []
    assert world.states() == {"api.1": "running"}


def test_a_run_found_alive_goes_on() -> None:
    """Another supervisor takes over: nothing ends and nothing starts."""
    world = up(DB)
    run = world.instance("db.1").run
    assert world.when(SupervisorStarted(pid=2), RunAdopted(instance="db.1", run=run, pid=PID + 1)) == []
    assert (world.instance("db.1").pid, world.instance("db.1").run) == (PID + 1, run)


def test_a_run_nobody_can_explain_is_replaced() -> None:
    """Its decision was lost with a damaged log."""
    world = up(DB)
    world.exits("db.1")
    (stop,) = world.when(SupervisorStarted(pid=2), RunAdopted(instance="db.1", run=999, pid=5))
    assert isinstance(stop, StopDecided)
    assert (stop.run, stop.values["why"]) == (999, "its decision was lost with a damaged log")
    (start,) = world.when(RunExited(instance="db.1", run=999))
    assert isinstance(start, StartDecided)


def test_a_run_that_began_unseen_is_taken_as_begun() -> None:
    """The supervisor ended between the decision and its outcome."""
    world = World(DB)
    world.runs_begin = False
    world.when(asked("up"))
    run = world.instance("db.1").run
    assert world.when(SupervisorStarted(pid=2), RunAdopted(instance="db.1", run=run, pid=5)) == []
    assert (world.states(), world.instance("db.1").pid) == ({"db.1": "running"}, 5)


def test_a_stop_that_comes_before_the_start_was_seen() -> None:
    """The run is stopped though its process is not known yet; that it began changes nothing."""
    world = World(DB)
    world.runs_begin = False
    world.when(asked("up"))
    run = world.instance("db.1").run
    (stop,) = world.when(asked("stop", "db"))
    assert isinstance(stop, StopDecided)
    world.when(RunStarted(instance="db.1", run=run, pid=5))
    assert (world.states(), world.instance("db.1").pid) == ({"db.1": "stopping"}, 5)

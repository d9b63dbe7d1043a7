"""What stands still, and when it goes on."""

from __future__ import annotations

from events.catalog import PauseDecided, ProbeFailed, ResumeDecided, RunAdopted, StopDecided, SupervisorStarted
from projections.conditions import settled
from tests.given import PID, World, asked, declared, rules, service

WEB = service("web", probe=True)


def running() -> World:
    """A world in which web runs and is healthy."""
    world = World(WEB)
    world.when(asked("up"))
    world.passes("web.1")
    return world


def test_a_running_service_is_paused_and_resumed() -> None:
    """Both are decided once, with the command as the cause, and it runs as the same process."""
    world = running()
    pause = asked("pause", "web")
    (decided,) = world.when(pause)
    assert isinstance(decided, PauseDecided)
    assert world.cause(decided) is pause
    assert (world.states(), world.state.health.status("web.1")) == ({"web.1": "paused"}, "stale")
    assert settled(world.state)
    assert world.when(asked("pause", "web")) == []
    (decided,) = world.when(asked("resume", "web"))
    assert isinstance(decided, ResumeDecided)
    assert (world.states(), world.instance("web.1").pid) == ({"web.1": "running"}, PID)


def test_what_starts_is_paused_once_it_runs() -> None:
    """Until then the time that it has to get ready would run on."""
    world = World(WEB)
    world.when(asked("up"))
    assert world.when(asked("pause", "web")) == []
    assert rules(world.passes("web.1")) == ["pausing.asked"]


def test_what_does_not_run_is_not_paused() -> None:
    """A pause concerns a run, not the next one."""
    world = World(WEB)
    world.when(asked("pause", "web"))
    world.when(asked("up"))
    assert world.passes("web.1") == []


def test_a_late_answer_ends_nothing() -> None:
    """Failures that were seen before the pause do not count after it."""
    world = running()
    world.when(asked("pause", "web"))
    world.fails("web.1")
    assert world.states() == {"web.1": "paused"}
    assert rules(world.when(asked("resume", "web"))) == ["pausing.over"]


def test_up_leaves_it_paused_and_start_resumes_it() -> None:
    """Only who names the service ends its pause."""
    world = running()
    world.when(asked("pause", "web"))
    assert world.when(asked("up")) == []
    assert rules(world.when(asked("start", "web"))) == ["pausing.over"]


def test_a_stop_lets_it_go_on_to_end() -> None:
    """What stands still could not end in good order."""
    world = running()
    world.when(asked("pause", "web"))
    (stop,) = world.when(asked("stop", "web"))
    assert isinstance(stop, StopDecided)
    assert stop.paused
    world.exits("web.1", 0)
    assert world.states() == {"web.1": "stopped"}


def test_a_restart_ends_the_pause() -> None:
    """The new run is not paused."""
    world = running()
    world.when(asked("pause", "web"))
    (stop,) = world.when(asked("restart", "web"))
    assert isinstance(stop, StopDecided)
    assert stop.paused
    assert rules(world.exits("web.1", 0)) == ["startup.wanted"]
    assert world.passes("web.1") == []


def test_a_later_supervisor_finds_it_paused() -> None:
    """The pause is in the history: whoever takes over does not resume it."""
    world = running()
    world.when(asked("pause", "web"))
    run = world.instance("web.1").run
    taken = [RunAdopted(instance="web.1", run=run, pid=PID), SupervisorStarted(pid=2), declared(WEB)]
    assert world.when(*taken) == []
    assert world.states() == {"web.1": "paused"}


def test_its_end_is_a_failure_like_any_other() -> None:
    """Who kills what is paused does not resume it: the next run is a new one."""
    world = running()
    world.when(asked("pause", "web"))
    assert rules(world.exits("web.1", None, "KILL")) == ["restart.ladder"]
    assert rules(world.due("restart:web.1")) == ["restart.ladder"]
    failed = ProbeFailed(instance="web.1", run=world.instance("web.1").run, failures=1, detail="no")
    assert world.when(failed) == []


def test_a_service_without_a_check_is_paused_too() -> None:
    """It has no health that could be stale."""
    world = World(service("job"))
    world.when(asked("up"))
    world.when(asked("pause", "job"))
    assert (world.states(), world.state.health.status("job.1")) == ({"job.1": "paused"}, "unknown")

"""Progress in plain words."""

from __future__ import annotations

import pytest

from events.catalog import (
    ConfigurationLoaded,
    Event,
    KillDecided,
    LogFull,
    PortOwner,
    PortRefused,
    ProbeFailed,
    ProbePassed,
    RunAdopted,
    RunRefused,
    Service,
    StartDecided,
    StopDecided,
)
from events.envelope import Recorded
from nexus.cli.progress import Line, line, short_name, waiting
from projections.state import State, evolve, evolve_all
from tests.cli.homes import GIVEN_UP, LAST, incident

SECOND = 1_000_000


def state_at(seq: int = LAST) -> State:
    """What was known at a position of the incident."""
    return evolve_all(State(), [it for it in incident() if it.seq <= seq])


def told(state: State, event: Event) -> Line | None:
    """What is told of an event half a second later."""
    recorded = Recorded(state.seq + 1, state.at + SECOND // 2, event)
    return line(state, recorded, evolve(state, recorded))


def test_the_incident_as_progress() -> None:
    """Whoever had watched would have read this."""
    state, lines = State(), []
    for recorded in incident():
        before, state = state, evolve(state, recorded)
        if found := line(before, recorded, state):
            lines.append(" ".join(found))
    assert lines == [
        "database starting on port 21436",
        "database healthy after 0.83 s",
        "router starting on port 20000",
        "router healthy after 0.30 s",
        "database was ended by signal KILL",
        "database next try in 1 s",
        "router degraded: GET /api/health answered 503 Service Unavailable",
        "database starting on port 21436, try 1 of 3",
        "database exited with code 1",
        "database next try in 2 s",
        "database starting on port 21436, try 2 of 3",
        "database exited with code 1",
        "database next try in 4 s",
        "database starting on port 21436, try 3 of 3",
        "database exited with code 1",
        "database given up",
        "router stopping: what it needs is lost",
        "router stopped after 0.20 s",
        "database starting on port 21436",
        "database healthy after 0.70 s",
        "router starting on port 20000",
        "router healthy after 0.25 s",
    ]


RUN = 45
"""The run of router.1 at the end of the incident."""


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (RunAdopted(instance="router.1", run=RUN, pid=4032), "still running (pid 4032), watched again"),
        (
            RunRefused(instance="router.1", run=RUN, error="no such file", advice="Install it."),
            "could not be started: no such file; Install it.",
        ),
        (KillDecided(rule="r", instance="router.1", run=RUN), "did not stop in time: ended by force"),
        (StopDecided(rule="r", instance="router.1", run=RUN, failure="is unhealthy"), "stopping: it is unhealthy"),
        (StopDecided(rule="shutdown.asked", instance="router.1", run=RUN), "stopping"),
        (StartDecided(rule="r", instance="router.1"), "starting"),
        (
            PortRefused(lease="router.1/main", port=20000, reason="held by nginx", owner=PortOwner(pid=9)),
            "port 20000 can't be had: held by nginx",
        ),
    ],
)
def test_what_the_incident_did_not_have(event: Event, text: str) -> None:
    """Each is told with the name of the service."""
    assert told(state_at(), event) == ("router", text)


def test_what_nobody_waits_for_is_not_told() -> None:
    """A check that goes on as before, and what the log does for itself."""
    state = state_at()
    assert told(state, ProbePassed(instance="router.1", run=RUN)) is None
    assert told(state, ConfigurationLoaded(project="p")) is None
    failed = ProbeFailed(instance="router.1", run=RUN, failures=1, detail="no answer")
    assert told(state, failed) == ("router", "degraded: no answer")
    worse = evolve(state, Recorded(state.seq + 1, state.at + 1, failed))
    assert told(worse, failed) is None
    assert told(worse, ProbePassed(instance="router.1", run=RUN)) == ("router", "healthy again")


def test_trouble_with_the_log_is_told() -> None:
    """It concerns everybody who waits."""
    assert told(state_at(), LogFull(freed_bytes=1, error="full")) == (
        "nexus", "the disk is full (full); 1 bytes were freed to keep services alive",
    )  # fmt: skip


def test_parts_of_nexus_are_not_told() -> None:
    """Nobody asked for the web API."""
    api = Service("nexus-api", ("api",), category="internal")
    loaded = ConfigurationLoaded(project="p", services={"nexus-api": api})
    state = evolve_all(State(), [Recorded(1, 1, loaded)])
    assert told(state, StartDecided(rule="r", instance="nexus-api.1")) is None


def test_replicas_have_their_number() -> None:
    """A service with one instance is called by its own name."""
    web = Service("web", ("web",), replicas=2)
    state = evolve_all(State(), [Recorded(1, 1, ConfigurationLoaded(project="p", services={"web": web}))])
    assert short_name(state, "web.2") == "web.2"
    assert short_name(state_at(), "router.1") == "router"


def test_whom_one_waits_for() -> None:
    """From the first second on: who, which process, how long, and how long at most."""
    state = state_at(GIVEN_UP + 1)
    assert waiting(state, state.at + SECOND // 2) == []
    assert waiting(state, state.at + 3 * SECOND) == ["waiting for router (pid 4012): 3 of 10 s"]
    starting = state_at(11)
    assert waiting(starting, starting.at + 2 * SECOND) == [
        "waiting for database (pid 4011) and its first good answer (nobody listens on port 21436): 2 of 60 s"
    ]

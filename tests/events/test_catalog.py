"""What every event says about itself."""

from __future__ import annotations

import pytest

from events.catalog import (
    AlertRaised,
    AlertResolved,
    CommandReceived,
    DeadlineReached,
    DocumentQuarantined,
    Event,
    LeaseEnded,
    LeaseGranted,
    PortClosed,
    PortHeld,
    PortOpened,
    PortOwner,
    PortRefused,
    PortReleased,
    Restart,
    RunExited,
    StopDecided,
    SupervisorStarted,
)
from events.codec import KINDS


@pytest.mark.parametrize(
    ("event", "stream"),
    [
        (SupervisorStarted(pid=1), "nexus"),
        (CommandReceived(verb="up"), "nexus"),
        (CommandReceived(verb="up", services=("web",)), "service/web"),
        (CommandReceived(verb="up", services=("web", "db")), "nexus"),
        (DeadlineReached(key="restart:web.1", due=1), "service/web"),
        (DeadlineReached(key="lease:ide", due=1), "nexus"),
        (RunExited(instance="my.web.2", run=3), "service/my.web"),
        (StopDecided(instance="web.2", run=3, rule="r"), "service/web"),
        (AlertRaised(key="k", severity="info", subject="service/web", message="m", rule="r"), "service/web"),
        (AlertResolved(key="k", subject="service/web", rule="r"), "service/web"),
        (PortHeld(lease="web.1/main", port=80), "port/80"),
        (PortRefused(lease="web.1/main", port=80, reason="r"), "port/80"),
        (PortOpened(port=80, address="::"), "port/80"),
        (PortClosed(port=80, address="::"), "port/80"),
        (PortReleased(lease="web.1/main", port=80, rule="r"), "port/80"),
        (LeaseGranted(lease="ide", port=80, rule="r"), "port/80"),
        (DocumentQuarantined(service="web", path="/", reason="r"), "service/web"),
        (LeaseEnded(lease="ide", port=80, rule="r"), "port/80"),
    ],
    ids=lambda it: it.kind() if isinstance(it, Event) else it,
)
def test_streams(event: Event, stream: str) -> None:
    """What an event is about: the supervisor, one service or one port."""
    assert event.stream == stream


def test_a_decision_and_a_run_name_their_service() -> None:
    """The part before the last dot of the instance, for a service with dots too."""
    assert StopDecided(instance="my.web.2", run=3, rule="r").service == "my.web"
    assert RunExited(instance="my.web.2", run=3).service == "my.web"


def test_kinds_are_the_dotted_names_of_their_classes() -> None:
    """Each kind is one class's."""
    assert (RunExited.kind(), AlertResolved.kind()) == ("run.exited", "alert.resolved")
    assert KINDS["run.exited"] is RunExited


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (PortOwner(), "a process that this user may not see"),
        (PortOwner(pid=7), "a process (pid 7, user unknown)"),
        (PortOwner(pid=7, command="nginx", user="root"), "nginx (pid 7, user root)"),
    ],
)
def test_an_owner_in_words(owner: PortOwner, words: str) -> None:
    """As far as it is known."""
    assert str(owner) == words


@pytest.mark.parametrize(
    ("restart", "tries", "delays"),
    [
        (Restart(), 3, [1.0, 2.0, 4.0, 4.0]),
        (Restart(delays_seconds=(), attempts_max=2), 2, [0.0, 0.0]),
        (Restart(delays_seconds=(), attempts_max=None), 0, [0.0]),
        (Restart(attempts_max=0), 0, [1.0]),
    ],
)
def test_the_ladder(restart: Restart, tries: int, delays: list[float]) -> None:
    """As many tries as delays unless a number is given; beyond the last delay, that one repeats."""
    assert restart.tries == tries
    assert [restart.delay_seconds(attempt) for attempt in range(1, len(delays) + 1)] == delays

"""The history in plain words."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import get_args

import pytest

from events.catalog import (
    AlertRaised,
    AlertResolved,
    ClockStepped,
    CommandReceived,
    ConfigurationLoaded,
    ConfigurationRefused,
    DeadlineReached,
    DocumentQuarantined,
    DrainDecided,
    Endpoint,
    EndpointsDiscovered,
    Event,
    KillDecided,
    LeaseEnded,
    LeaseGranted,
    LeaseReviewScheduled,
    Limits,
    LimitsApplied,
    LimitsDecided,
    LogDamaged,
    LogFull,
    LogOpened,
    LogSlow,
    MemoryExceeded,
    MemoryRecovered,
    PatternReviewScheduled,
    PauseDecided,
    PortChosen,
    PortClosed,
    PortHeld,
    PortOpened,
    PortOwner,
    PortRefused,
    PortReleased,
    PortReserved,
    ProbeFailed,
    ProbePassed,
    Rejected,
    ReservationEnded,
    ResourcesMeasured,
    RestartScheduled,
    ResumeDecided,
    RollingRestartEnded,
    RollingRestartStepped,
    RouteUse,
    RunAbandoned,
    RunAdopted,
    RunDrained,
    RunExited,
    RunRefused,
    RunStarted,
    SamplesDropped,
    SamplesRetired,
    SamplesSealed,
    ScaleDecided,
    Service,
    ServiceGivenUp,
    ShutdownCompleted,
    SignalDecided,
    SignalSent,
    StartDecided,
    StopDecided,
    SupervisorStarted,
    SupervisorStopped,
    TrafficObserved,
    Usage,
    Verb,
)
from events.codec import KINDS
from nexus.policies import concerns, pressure
from nexus.policies.step import POLICIES
from projections.rules import RULES, rule_in_words
from projections.story import SENTENCES, sentence, subject

WEB = Service("web", ("python", "web.py"))
API = Service("nexus-api", ("python",), category="internal")

TOLD: list[tuple[Event, str, str]] = [
    (LogOpened(log_id="7"), "nexus", "the log was begun"),
    (
        LogOpened(log_id="7", previous_seq=9, reason="rotated"), "nexus",
        "a new log file was begun after event 9: the last one was full",
    ),
    (
        LogOpened(log_id="7", previous_seq=9, reason="damaged"), "nexus",
        "a new log file was begun after event 9: the last one was damaged",
    ),
    (
        LogSlow(append_seconds=2.52, limit_seconds=1), "nexus",
        "recording took 2.5 s, longer than the 1 s it may take",
    ),
    (
        LogFull(freed_bytes=4096, error="database or disk is full"), "nexus",
        "the disk is full (database or disk is full); 4096 bytes were freed to keep services alive",
    ),
    (
        LogDamaged(file="events-000001.db", problem="not a database", last_good=8), "nexus",
        "events-000001.db was damaged and put aside: not a database; known up to event 8",
    ),
    (SupervisorStarted(pid=7), "nexus", "a supervisor took over (pid 7)"),
    (SupervisorStopped(pid=7), "nexus", "the supervisor (pid 7) ended"),
    (
        SupervisorStopped(pid=7, services_left_running=("db.1", "web.1")), "nexus",
        "the supervisor (pid 7) ended and left db.1, web.1 running",
    ),
    (ClockStepped(by_seconds=-3600), "nexus", "the clock was set back by 3600 s"),
    (ClockStepped(by_seconds=2.5), "nexus", "the clock was set forward by 2.5 s"),
    (
        ConfigurationLoaded(project="p", path="/p/nexus.toml", services={"web": WEB, "nexus-api": API}), "nexus",
        "/p/nexus.toml declares 1 service: web",
    ),
    (ConfigurationLoaded(project="p"), "nexus", "the configuration declares 0 services: none"),
    (CommandReceived(verb="up"), "nexus", "somebody asked for every service to run"),
    (CommandReceived(verb="down"), "nexus", "somebody asked for everything to stop"),
    (
        CommandReceived(verb="detach"), "nexus",
        "somebody asked for the supervisor to go and leave the services running",
    ),
    (CommandReceived(verb="restart", services=("web",)), "web", "somebody asked for web to restart"),
    (CommandReceived(verb="stop", services=("db", "web")), "nexus", "somebody asked for db and web to stop"),
    (DeadlineReached(key="ready:web.1", due=1), "web.1", "the time that web.1 had to get ready is over"),
    (DeadlineReached(key="tidy:web.1", due=1), "web.1", "the deadline 'tidy' of web.1 was reached"),
    (
        ResourcesMeasured(since=0, instances={"web.1": Usage(0.25, 1.0, 2048, 4096, None, 1, 1, 3, 0, 0)}), "nexus",
        "1 instance used 0.25 cores and 2 MiB of memory",
    ),
    (
        MemoryExceeded(instance="web.1", run=3, memory_bytes=600 << 20, limit_bytes=512 << 20, seconds=3), "web.1",
        "web.1 has used 600 MiB of memory for 3 s, more than its 512 MiB",
    ),
    (
        MemoryRecovered(instance="web.1", run=3, memory_bytes=400 << 20), "web.1",
        "web.1 uses 400 MiB of memory again",
    ),
    (
        LimitsDecided(rule="r", instance="web.1", run=3, pid=7, limits=Limits(), values={"priority": "low"}), "web.1",
        "limit web.1: priority low",
    ),
    (
        LimitsApplied(instance="web.1", run=3, applied=("nice 10",), refused=(Rejected("processors 9", "none"),)),
        "web.1", "web.1 is limited: nice 10; refused: processors 9: none",
    ),
    (LimitsApplied(instance="web.1", run=3), "web.1", "web.1 is not limited"),
    (
        SamplesSealed(file="2026-03-01T09.samples", since=0, until=1, ticks=1, instances=1, size_bytes=9, digest="d"),
        "nexus", "the samples of 2026-03-01T09 were sealed: 9 bytes",
    ),
    (
        SamplesRetired(file="2026-03-01T09.samples", digest="d", reason="older than 24 hours"), "nexus",
        "the samples of 2026-03-01T09 were removed: older than 24 hours",
    ),
    (
        SamplesDropped(since=0, until=3_000_000, reason="no space"), "nexus",
        "samples could not be kept for 3 s: no space",
    ),
    (RunStarted(instance="web.1", run=3, pid=70), "web.1", "web.1 started as pid 70"),
    (
        RunAdopted(instance="web.1", run=3, pid=70), "web.1",
        "web.1 was found still running as pid 70 and is watched again",
    ),
    (
        RunRefused(instance="web.1", run=3, error="no such file", advice="Install it."), "web.1",
        "web.1 could not be started: no such file; Install it.",
    ),
    (RunAbandoned(instance="web.1", run=3), "web.1", "the start of web.1 decided at 3 never began and never will"),
    (
        RunExited(instance="web.1", run=3, signal="KILL", detail="or exit code 137"), "web.1",
        "web.1 was ended by signal KILL (or exit code 137)",
    ),
    (
        SignalSent(instance="web.1", run=3, signal="TERM", reached=2), "web.1",
        "signal TERM reached 2 processes of web.1",
    ),
    (ProbePassed(instance="web.1", run=3), "web.1", "web.1 answered well"),
    (
        ProbeFailed(instance="web.1", run=3, failures=2, detail="no answer within 2 s"), "web.1",
        "web.1 did not answer well (2 in a row, unhealthy at 3): no answer within 2 s",
    ),
    (
        PortOpened(port=80, protocol="tcp", address="0.0.0.0", owners=(PortOwner(pid=9, command="nginx"),)), "port 80",
        "tcp port 80 was opened on 0.0.0.0 by nginx (pid 9, user unknown)",
    ),
    (
        PortOpened(port=80, protocol="tcp", address="::", instance="web.1"), "port 80",
        "tcp port 80 was opened on :: by web.1",
    ),
    (
        PortOpened(port=80, protocol="tcp", address="::", brief=True), "port 80",
        "tcp port 80 was open on :: for a moment, and gone before anybody could see whose it was",
    ),
    (PortClosed(port=80, protocol="udp", address="::"), "port 80", "udp port 80 was closed on ::"),
    (PortHeld(lease="web.1/main", port=80), "port 80", "port 80 is held for web.1/main"),
    (
        PortRefused(lease="web.1/main", port=80, reason="held by nginx"), "port 80",
        "port 80 could not be held for web.1/main: held by nginx",
    ),
    (PortOpened(port=80, address="::", owners=(PortOwner(pid=7, command="nginx", user="www"),)), "port 80",
     "tcp port 80 was opened on :: by nginx (pid 7, user www)"),
    (PortClosed(port=80, address="::"), "port 80", "tcp port 80 was closed on ::"),
    (LeaseGranted(rule="r", lease="ide", port=3000), "port 3000", "hold port 3000 for the lease ide"),
    (LeaseReviewScheduled(rule="r", lease="ide", due=1), "nexus", "look at the lease ide again later"),
    (LeaseEnded(rule="r", lease="ide", port=3000, values={"free for": "300 seconds"}), "port 3000",
     "end the lease ide: let port 3000 go, free for 300 seconds"),
    (LeaseEnded(rule="r", lease="ide", port=0), "port 0", "refuse the lease ide: no port is free"),
    (EndpointsDiscovered(service="web", source="openapi", endpoints=(Endpoint("GET", "/"),)), "web",
     "web has 1 endpoint by its OpenAPI document"),
    (EndpointsDiscovered(service="web", source="graphql", omitted=2, breaking=("GET /: it is gone",)), "web",
     "web has 2 endpoints by its GraphQL schema; its callers can't rely on 1 thing any more"),
    (DocumentQuarantined(service="web", path="/a.json", reason="it is no object"), "web",
     "what web says of itself at /a.json can't be used: it is no object"),
    (PortChosen(rule="r", instance="web.1", lease="web.1/main", port=80), "web.1", "hold port 80 for web.1/main"),
    (PortReleased(rule="r", lease="web.1/main", port=80), "port 80", "let port 80 of web.1/main go"),
    (
        StartDecided(rule="r", instance="web.1", ports={"main": 80, "metrics": 81}, attempt=2), "web.1",
        "start web.1 on port 80, port 81 (metrics) again, try 2",
    ),
    (
        DrainDecided(rule="r", instance="web.1", run=3, until=4), "web.1",
        "web.1 is drained: nobody is led to it any more",
    ),
    (
        TrafficObserved(seconds=60.0, routes=(RouteUse("web", "GET", "/", 2),), lost=1), "nexus",
        "the gateway was asked 2 times in 60 s; 1 more were not counted",
    ),
    (RunDrained(instance="web.1", run=3), "web.1", "no request is under way to web.1"),
    (StopDecided(rule="r", instance="web.1", run=3), "web.1", "stop web.1 with signal TERM"),
    (
        StopDecided(rule="r", instance="web.1", run=3, signal="INT", failure="is unhealthy"), "web.1",
        "stop web.1 with signal INT: it is unhealthy",
    ),
    (
        PauseDecided(rule="r", instance="web.1", run=3), "web.1",
        "let web.1 and everything it started stand still",
    ),
    (SignalDecided(rule="r", instance="web.1", run=3, signal="HUP"), "web.1", "send signal HUP to web.1"),
    (RollingRestartStepped(rule="r", instance="web.1", run=3), "web.1", "replace the run of web.1 next"),
    (RollingRestartEnded(rule="r", service="web"), "web", "every run of web was replaced"),
    (
        RollingRestartEnded(rule="r", service="web", problem="web.1 exited"), "web",
        "stop the rolling restart of web: web.1 exited",
    ),
    (ScaleDecided(rule="r", service="web", instances=3), "web", "run 3 instances of web"),
    (
        ConfigurationRefused(problem="nexus.toml:3: no"), "nexus",
        "the changed configuration can't be used, nothing was changed: nexus.toml:3: no",
    ),
    (ResumeDecided(rule="r", instance="web.1", run=3), "web.1", "let web.1 go on"),
    (KillDecided(rule="r", instance="web.1", run=3), "web.1", "end web.1 and everything it started by force"),
    (
        RestartScheduled(rule="r", instance="web.1", attempt=2, due=1, values={"delay_seconds": 0.5, "tries": 3}),
        "web.1", "try web.1 again in 0.5 s, try 2 of 3",
    ),
    (RestartScheduled(rule="r", instance="web.1", attempt=0, due=1), "web.1", "try web.1 again"),
    (
        ServiceGivenUp(rule="r", instance="web.1", failures=1, reason="exited with code 1"), "web.1",
        "give web.1 up after 1 failure: it exited with code 1",
    ),
    (
        AlertRaised(rule="r", key="k", severity="info", subject="service/web", message="look here"), "web",
        "info: look here",
    ),
    (
        AlertResolved(rule="r", key="given_up:web.1", subject="service/web"), "web",
        "the given up alert of web.1 is over",
    ),
    (AlertResolved(rule="r", key="odd", subject="service/web"), "web", "the alert odd is over"),
    (AlertResolved(rule="r", key="k", subject="nexus", values={"was": "web is down"}), "nexus", "over: web is down"),
    (PatternReviewScheduled(rule="r", due=1), "nexus", "look at what is expected again later"),
    (
        PortReserved(
            rule="r", lease="job.1/main", port=80, pattern="service/job", until=1,
            values={"for": "job", "pattern": "workdays 8:57–9:04, 14 of 15"},
        ), "port 80", "hold port 80 for job: workdays 8:57–9:04, 14 of 15",
    ),
    (
        ReservationEnded(rule="r", lease="job.1/main", port=80, pattern="service/job", came=True), "port 80",
        "let port 80 go: job came",
    ),
    (
        ReservationEnded(rule="r", lease="x", port=80, pattern="program/python3:80"), "port 80",
        "let port 80 go: python3:80 did not come",
    ),
    (
        ShutdownCompleted(rule="r"), "nexus",
        "everything that was to end has ended: the supervisor may go",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("event", "about", "text"), TOLD, ids=lambda it: type(it).__name__)
def test_sentences(event: Event, about: str, text: str) -> None:
    """Each event is told in one plain sentence, and what it is about."""
    assert (sentence(event), subject(event)) == (text, about)


def test_every_kind_has_a_sentence() -> None:
    """No kind of event is left out, neither of the sentences nor of their test."""
    kinds = set(KINDS.values())
    assert set(SENTENCES) == kinds
    assert {type(event) for event, _, _ in TOLD} == kinds


def rules_of_the_policies() -> Iterator[str]:
    """Every rule that the policies can name, read from their source."""
    for module in sorted({policy.__module__ for policy in POLICIES} | {concerns.__name__, pressure.__name__}):
        tree = ast.parse(inspect.getsource(importlib.import_module(module)))
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr) and ast.unparse(node).startswith("f'shutdown."):
                yield from ("shutdown.down", "shutdown.detach")
            elif isinstance(node, ast.Constant) and re.fullmatch(r"[a-z]+\.[a-z_]+", str(node.value)):
                yield str(node.value)


def test_every_rule_has_words() -> None:
    """The words are for the rules that the policies name, no more and no fewer."""
    found = set(rules_of_the_policies())
    assert len(found) > 15
    assert set(RULES) == found
    assert "try" in rule_in_words("restart.ladder")
    assert "does not know" in rule_in_words("restart.by_magic")


@pytest.mark.parametrize("verb", get_args(Verb))
def test_every_wish_is_told(verb: Verb) -> None:
    """Whatever somebody can ask for has its words, and a lease its name."""
    said = sentence(CommandReceived(verb=verb, services=(), arguments={"lease": "mine"}))
    assert said.startswith("somebody asked for ")
    assert ("mine" in said) == (verb in ("lease", "release"))

"""What each event changes in the tables: given events, the rows."""

from __future__ import annotations

from typing import Any

import pytest

from events.catalog import (
    AlertRaised,
    AlertResolved,
    CommandReceived,
    Event,
    LeaseEnded,
    PortClosed,
    PortHeld,
    PortOpened,
    PortOwner,
    PortReleased,
    ProbeFailed,
    ProbePassed,
    Rejected,
    RunAbandoned,
    RunAdopted,
    RunExited,
    RunRefused,
    RunStarted,
    ServiceGivenUp,
    StartDecided,
)
from events.codec import NAMES, encode
from events.envelope import Recorded
from projections.rows import TABLES, Change, changes

AT = 1_772_373_731_000_251
MOMENT = "2026-03-01T14:02:11.000251Z"


class Row:
    """An event as a reader gives it."""

    def __init__(self, event: Event, cause: int | None = None, actor: str | None = None) -> None:
        self.recorded = Recorded(7, AT, event, cause, None, actor)
        self.seq, self.at, self.cause, self.correlation, self.actor = 7, AT, cause, cause or 7, actor
        self.id, self.kind, self.stream = bytes(16), NAMES[type(event)][0], event.stream
        self.data = encode(event).decode()


def of(event: Event, cause: int | None = None, actor: str | None = None) -> dict[str, Change]:
    """What it changes, by table, without its row in `events`."""
    first, *others = changes(Row(event, cause, actor))
    assert first.table == "events"
    return {it.table: it for it in others}


def test_every_event_is_a_row_of_events() -> None:
    """In words, with its service and its fields."""
    row = next(iter(changes(Row(RunStarted(instance="web.1", run=5, pid=42), cause=5))))
    assert row == Change("events", {
        "seq": 7, "id": "00000000-0000-0000-0000-000000000000", "at": MOMENT, "kind": "run.started",
        "stream": "service/web", "service": "web", "cause": 5, "correlation": 5, "actor": None,
        "summary": "web.1 started as pid 42", "data": '{"kind":"run.started","instance":"web.1","run":5,"pid":42}',
    })  # fmt: skip


def test_what_is_about_no_service_names_none() -> None:
    """The stream says what it is about."""
    row = next(iter(changes(Row(PortHeld(lease="a", port=80)))))
    assert (row.values["stream"], row.values["service"]) == ("port/80", None)


def test_a_decision_has_its_rule_values_and_what_was_rejected() -> None:
    """As JSON, which SQLite can read."""
    event = ServiceGivenUp(
        instance="web.1", rule="restart.ladder", failures=3, reason="exited", values={"tries": 3},
        rejected=(Rejected("try again", "no try is left"),),
    )  # fmt: skip
    assert of(event, cause=6)["decisions"].values == {
        "seq": 7, "at": MOMENT, "rule": "restart.ladder", "subject": "web.1",
        "summary": "give web.1 up after 3 failures: it exited", "cause": 6, "given": '{"tries":3}',
        "rejected": '[{"option":"try again","reason":"no try is left"}]',
    }  # fmt: skip


def test_the_outcome_of_a_decision_is_an_observation() -> None:
    """A decision that another one led to is not what came of it."""
    start = StartDecided(instance="web.1", rule="startup")
    assert "outcome" not in of(start, cause=6)["decisions"].values
    outcome = of(RunStarted(instance="web.1", run=6, pid=1), cause=6)["decisions"]
    assert outcome == Change("decisions", {"seq": 6, "outcome": 7}, "outcome", 7)


CHANGED: list[tuple[Event, str, dict[str, Any], str]] = [
    (CommandReceived(verb="stop", services=("web",), command_id="c"), "commands",
     {"seq": 7, "at": MOMENT, "verb": "stop", "services": '["web"]', "actor": None, "command_id": "c"}, ""),
    (StartDecided(instance="web.1", rule="startup", attempt=2), "runs",
     {"run": 7, "instance": "web.1", "service": "web", "attempt": 2, "decided_at": MOMENT}, ""),
    (RunStarted(instance="web.1", run=5, pid=42), "runs", {"run": 5, "pid": 42, "started_at": MOMENT}, ""),
    (RunAdopted(instance="web.1", run=5, pid=42), "runs", {"run": 5, "pid": 42}, ""),
    (RunExited(instance="web.1", run=5, signal="KILL"), "runs",
     {"run": 5, "ended_at": MOMENT, "exit_code": None, "signal": "KILL", "ending": "was ended by signal KILL"}, ""),
    (RunRefused(instance="web.1", run=5, error="no such file"), "runs",
     {"run": 5, "ended_at": MOMENT, "ending": "no such file"}, ""),
    (RunAbandoned(instance="web.1", run=5), "runs", {"run": 5, "ended_at": MOMENT, "ending": "never began"}, ""),
    (ProbePassed(instance="web.1", run=5, detail="200 OK"), "checks",
     {"seq": 7, "at": MOMENT, "instance": "web.1", "service": "web", "run": 5, "passed": 1, "failures": 0,
      "detail": "200 OK"}, ""),
    (ProbeFailed(instance="web.1", run=5, failures=2, detail="503"), "checks",
     {"seq": 7, "at": MOMENT, "instance": "web.1", "service": "web", "run": 5, "passed": 0, "failures": 2,
      "detail": "503"}, ""),
    (AlertRaised(rule="alerts", key="k", severity="warning", subject="web.1", message="m", advice="a"), "alerts",
     {"seq": 7, "key": "k", "severity": "warning", "subject": "web.1", "message": "m", "advice": "a",
      "raised_at": MOMENT}, ""),
    (AlertResolved(rule="alerts", key="k", subject="web.1"), "alerts", {"key": "k", "resolved_at": MOMENT},
     "resolved_at"),
    (PortHeld(lease="a", port=80), "leases", {"seq": 7, "lease": "a", "port": 80, "held_at": MOMENT}, ""),
    (PortReleased(rule="ports", lease="a", port=80), "leases", {"lease": "a", "port": 80, "released_at": MOMENT},
     "released_at"),
    (LeaseEnded(rule="leases", lease="a", port=80), "leases", {"lease": "a", "port": 80, "released_at": MOMENT},
     "released_at"),
    (PortOpened(port=80, protocol="tcp", address="::", owners=(PortOwner(9, "nginx", "root"),)), "open_ports",
     {"seq": 7, "port": 80, "protocol": "tcp", "address": "::", "instance": None, "pid": 9, "command": "nginx",
      "user": "root", "opened_at": MOMENT}, ""),
    (PortOpened(port=80, protocol="tcp", address="::", instance="web.1"), "open_ports",
     {"seq": 7, "port": 80, "protocol": "tcp", "address": "::", "instance": "web.1", "pid": None, "command": None,
      "user": None, "opened_at": MOMENT}, ""),
    (PortClosed(port=80, protocol="tcp", address="::"), "open_ports",
     {"port": 80, "protocol": "tcp", "address": "::", "closed_at": MOMENT}, "closed_at"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "table", "values", "sets"), CHANGED, ids=lambda it: getattr(it, "kind", str)())
def test_what_an_event_changes(event: Event, table: str, values: dict[str, Any], sets: str) -> None:
    """A new row, or the end of what began before."""
    assert of(event)[table] == Change(table, values, sets, 7 if sets else 0)


def test_only_columns_that_there_are_are_changed() -> None:
    """And references name tables that there are."""
    for _, table, values, _ in CHANGED:
        assert set(values) <= set(TABLES[table].columns)
    for it in TABLES.values():
        assert {*it.references, *it.indexed} <= set(it.columns)
        assert set(it.references.values()) <= set(TABLES)

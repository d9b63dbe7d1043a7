"""The JSON forms of events and decisions."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from events.reader import Stored
from projections import event_views
from tests.cli.homes import FIRST_TRY, incident


def plain(value: object) -> Any:
    """What a program reads."""
    return msgspec.json.decode(msgspec.json.encode(value))


def test_decisions() -> None:
    """Each with its rule, its subject, a sentence, its cause and its outcome."""
    decided = next(it for it in incident() if it.seq == FIRST_TRY)
    (shown,) = plain(event_views.decisions([(decided, 21)]))["decisions"]
    assert {name: shown[name] for name in ("id", "rule", "subject", "cause", "outcome")} == {
        "id": FIRST_TRY, "rule": "restart.ladder", "subject": "database.1", "cause": 19, "outcome": 21,
    }  # fmt: skip
    assert shown["summary"] == "start database.1 on port 21436 again, try 1 of 3"


def stored(kind: str, data: bytes) -> Stored:
    """A row of the log."""
    row = uuid.UUID(int=7).bytes
    return Stored(1, row, "nexus", 1, kind, 1, 1_000_001, None, None, 1, None, "ada", data.decode(), b"")


def test_an_event_is_shown_as_it_was_recorded() -> None:
    """What was recorded comes back byte by byte, with its place in the log."""
    data = b'{"kind":"command.received","verb":"up","later":1}'
    shown = plain(event_views.event(stored("command.received", data)))
    assert shown == {
        "seq": 1, "id": "00000000-0000-0000-0000-000000000007", "at": "1970-01-01T00:00:01.000001Z",
        "kind": "command.received", "stream": "nexus", "cause": None, "correlation": 1, "actor": "ada",
        "data": {"kind": "command.received", "verb": "up", "later": 1},
    }  # fmt: skip


def test_a_new_file_is_shown_without_the_state_it_carries() -> None:
    """The state of that moment has a form of its own."""
    shown = plain(event_views.event(stored("log.opened", b'{"kind":"log.opened","log_id":"7","state":{"seq":9}}')))
    assert shown["data"] == {"kind": "log.opened", "log_id": "7"}

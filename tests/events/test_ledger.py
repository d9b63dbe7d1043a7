"""What the writer adds to each event."""

from __future__ import annotations

import uuid

import pytest

from events.catalog import CommandReceived, PortHeld, SupervisorStarted
from events.chain import COLUMNS, Head, genesis
from events.envelope import Position, Recorded
from events.errors import OutOfOrderError
from events.ledger import REMEMBERED_MAX, Ledger
from tests.events.samples import NOON, after, day, started


class Forgetful:
    """Knows of streams and stories only what it is asked about, and writes the questions down."""

    def __init__(self) -> None:
        self.asked: list[str | Position] = []

    def version_of(self, stream: str) -> int:
        """Every stream has ten events."""
        self.asked.append(stream)
        return 10

    def correlation_of(self, seq: Position) -> Position:
        """Every story began with event 5."""
        self.asked.append(seq)
        return 5

    def position_of(self, command_id: str) -> Position | None:
        """Nothing was ever asked for."""
        return None


@pytest.fixture
def ledger() -> Ledger:
    """A ledger at position 100."""
    return Ledger(Head(100, NOON, genesis("test")), Forgetful())


def made(ledger: Ledger, batch: list[Recorded]) -> list[dict[str, object]]:
    """The rows of a batch by column."""
    with ledger.recording(batch) as rows:
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def test_every_event_goes_to_its_stream(ledger: Ledger) -> None:
    """Whatever short cut is taken to find it."""
    batch = day(100, 200)
    batch += after(300, PortHeld(lease="web.1/main", port=80), SupervisorStarted(pid=1), at=batch[-1].at)
    batch += after(302, CommandReceived(verb="stop", services=("mail",)), at=batch[-1].at)
    assert [row["stream"] for row in made(ledger, batch)] == [it.event.stream for it in batch]


def test_ids_are_sound_and_grow(ledger: Ledger) -> None:
    """Version 7, the variant of RFC 9562, the moment in front, and no two alike."""
    batch = [*after(100, *[started(5)] * 50, at=NOON + 1), *after(150, *[started(5)] * 50, at=NOON + 2)]
    ids = [uuid.UUID(bytes=bytes(row["id"])) for row in made(ledger, batch)]  # type: ignore[call-overload]
    assert {(it.version, it.variant) for it in ids} == {(7, uuid.RFC_4122)}
    assert {it.int >> 80 for it in ids} == {(NOON + 1) // 1000}
    assert ids == sorted(set(ids))


def test_what_is_not_at_hand_is_asked_once(ledger: Ledger) -> None:
    """A stream once for all its events; an old cause each time, and what follows from it not at all."""
    lookup = ledger.lookup
    assert isinstance(lookup, Forgetful)
    rows = made(ledger, [Recorded(101, NOON, started(5), 50), Recorded(102, NOON, started(5), 101)])
    assert lookup.asked == ["service/web", 50]
    assert [(row["version"], row["correlation"]) for row in rows] == [(11, 5), (12, 5)]


def test_what_was_not_recorded_is_forgotten(ledger: Ledger) -> None:
    """A batch that could not be written leaves no trace in the next one."""
    lookup = ledger.lookup
    assert isinstance(lookup, Forgetful)
    batch = after(100, started(5))
    with pytest.raises(OSError, match="no room"), ledger.recording(batch):
        raise OSError("no room")
    assert ledger.head.seq == 100
    assert [row["version"] for row in made(ledger, batch)] == [11]


def test_a_batch_that_does_not_follow_is_explained(ledger: Ledger) -> None:
    """The message says what was expected and what was found."""
    with (
        pytest.raises(OutOfOrderError, match="expected position 101, found 103"),
        ledger.recording(after(102, started(5))),
    ):
        pass


def test_memory_is_bounded(ledger: Ledger) -> None:
    """Only the latest stories are kept at hand."""
    for start in range(100, 100 + 3 * REMEMBERED_MAX, 1000):
        made(ledger, after(start, *[started(5)] * 1000))
    assert len(ledger._correlations) <= REMEMBERED_MAX
    last = ledger.head.seq
    assert last in ledger._correlations

"""What every log promises, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pytest

from events.catalog import LogOpened, SupervisorStarted, SupervisorStopped
from events.chain import Head
from events.envelope import Micros, Position, Recorded
from events.errors import DuplicateCommandError, OutOfOrderError
from tests.events.samples import NOON, after, append_all, command, day, started


class AnyLog(Protocol):
    """The promises."""

    log_id: str

    @property
    def head(self) -> Head: ...

    def append(self, batch: Sequence[Recorded]) -> None: ...

    def rotate(self, at: Micros, state: bytes) -> Recorded: ...

    def read(self, after: Position = 0, until: Position | None = None) -> Iterator[Recorded]: ...

    def position_of(self, command_id: str) -> Position | None: ...

    def version_of(self, stream: str) -> int: ...

    def correlation_of(self, seq: Position) -> Position: ...


class LogConformance:
    """A class that inherits it and has a fixture `log` shows that its log keeps the promises."""

    def test_it_begins_by_naming_itself(self, log: AnyLog) -> None:
        """Position 1 says that the log was created, and gives its name."""
        (first,) = log.read()
        assert first.seq == 1
        assert isinstance(first.event, LogOpened)
        assert (first.event.log_id, first.event.reason, first.event.previous_seq) == (log.log_id, "created", 0)

    def test_what_is_appended_is_read_back(self, log: AnyLog) -> None:
        """Every field of every event comes back as it was."""
        events = day(1, 50)
        append_all(log.append, events)
        assert list(log.read(after=1)) == events

    def test_the_head_is_the_last_event(self, log: AnyLog) -> None:
        """The head moves with each batch, and its hash with it."""
        before = log.head
        log.append(after(1, SupervisorStarted(pid=1), SupervisorStopped(pid=1), at=NOON + 5))
        assert (log.head.seq, log.head.at) == (3, NOON + 5)
        assert log.head.hash != before.hash

    def test_an_empty_batch_changes_nothing(self, log: AnyLog) -> None:
        """Nothing seen, nothing recorded."""
        before = log.head
        log.append([])
        assert log.head == before

    @pytest.mark.parametrize(
        "wrong",
        [
            pytest.param(after(2, SupervisorStarted(pid=1)), id="a gap"),
            pytest.param(after(0, SupervisorStarted(pid=1)), id="a position given before"),
            pytest.param(after(1, SupervisorStarted(pid=1), at=NOON - 1), id="an earlier moment"),
            pytest.param(after(1, SupervisorStarted(pid=1), cause=2), id="its own cause"),
            pytest.param(after(1, SupervisorStarted(pid=1), cause=0), id="a cause before the first event"),
            pytest.param([*after(1, SupervisorStarted(pid=1)), *after(3, SupervisorStopped(pid=1))], id="a gap inside"),
        ],
    )
    def test_a_batch_that_does_not_follow_is_refused(self, log: AnyLog, wrong: list[Recorded]) -> None:
        """Nothing of it is recorded, and the right batch is accepted afterwards."""
        before = log.head
        with pytest.raises(OutOfOrderError):
            log.append(wrong)
        assert log.head == before
        log.append(after(1, SupervisorStarted(pid=1)))
        assert log.version_of("nexus") == 2
        assert len(list(log.read())) == 2

    def test_a_command_is_received_once(self, log: AnyLog) -> None:
        """A second one with the same id is refused with the position of the first, and nothing of its batch stays."""
        log.append(after(1, command("a"), command("b")))
        with pytest.raises(DuplicateCommandError) as refused:
            log.append(after(3, SupervisorStarted(pid=1), command("b")))
        assert refused.value.position == 3
        assert log.head.seq == 3
        log.append(after(3, SupervisorStarted(pid=1), command("c")))
        assert [log.position_of(name) for name in ("a", "b", "c", "d")] == [2, 3, 5, None]

    def test_a_command_is_received_once_in_a_batch(self, log: AnyLog) -> None:
        """Twice in one batch is twice too."""
        with pytest.raises(DuplicateCommandError) as refused:
            log.append(after(1, command("a"), SupervisorStarted(pid=1), command("a")))
        assert refused.value.position == 2
        assert log.head.seq == 1

    def test_commands_without_an_id_are_never_the_same(self, log: AnyLog) -> None:
        """Only a `command_id` makes a command idempotent."""
        log.append(after(1, command(), command()))
        assert log.head.seq == 3

    def test_a_story_has_the_number_of_its_first_event(self, log: AnyLog) -> None:
        """The correlation of an event is that of its cause; without a cause it is its own position."""
        log.append(after(1, command()))
        log.append([Recorded(3, NOON, started(2), 2), Recorded(4, NOON, command()), Recorded(5, NOON, started(2), 3)])
        assert [log.correlation_of(seq) for seq in range(1, 6)] == [1, 2, 2, 4, 2]

    def test_streams_count_their_events(self, log: AnyLog) -> None:
        """The version of a stream is the number of its events."""
        log.append(after(1, command(), started(2), SupervisorStarted(pid=1)))
        assert [log.version_of(it) for it in ("service/web", "nexus", "service/other")] == [2, 2, 0]

    @pytest.mark.parametrize(
        ("first", "last", "expected"), [(0, None, 30), (29, None, 1), (30, None, 0), (10, 20, 10), (10, 10, 0)]
    )
    def test_a_part_is_read(self, log: AnyLog, first: Position, last: Position | None, expected: int) -> None:
        """After `after`, up to and including `until`."""
        append_all(log.append, day(1, 29))
        found = [it.seq for it in log.read(first, last)]
        assert found == list(range(first + 1, first + 1 + expected))

    def test_closing_the_books_keeps_the_history_whole(self, log: AnyLog) -> None:
        """The event that carries the state takes the next position; what went before stays readable."""
        append_all(log.append, day(1, 20))
        before = log.head
        opened = log.rotate(before.at + 1, b'{"services":{}}')
        assert isinstance(opened.event, LogOpened)
        assert (opened.seq, opened.event.previous_seq) == (before.seq + 1, before.seq)
        assert (opened.event.reason, opened.event.previous_hash) == ("rotated", before.hash.hex())
        append_all(log.append, day(opened.seq, 20, at=opened.at))
        history = list(log.read())
        assert [it.seq for it in history] == list(range(1, log.head.seq + 1))
        again = history[opened.seq - 1].event
        assert isinstance(again, LogOpened)
        assert bytes(again.state) == b'{"services":{}}'

    def test_what_the_writer_knows_outlives_the_closing_of_the_books(self, log: AnyLog) -> None:
        """Commands stay received, streams go on counting, stories go on."""
        log.append(after(1, command("a"), started(2), at=NOON))
        opened = log.rotate(NOON + 1, b"null")
        with pytest.raises(DuplicateCommandError) as refused:
            log.append(after(opened.seq, command("a"), at=NOON + 2))
        assert refused.value.position == 2
        log.append(after(opened.seq, started(2), at=NOON + 2, cause=3))
        assert log.version_of("service/web") == 3
        assert log.correlation_of(opened.seq + 1) == 3

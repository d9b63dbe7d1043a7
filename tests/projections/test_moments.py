"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.moments import Moment, MomentError, iso, micros, micros_of, moment_of, parse

NOW = datetime(2026, 3, 2, 10, 30, tzinfo=timezone(timedelta(hours=2)))


def at(*parts: int) -> Moment:
    """A moment in the zone of NOW."""
    return Moment(at=micros(datetime(*parts, tzinfo=NOW.tzinfo)))  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("412", Moment(seq=412)),
        ("now", at(2026, 3, 2, 10, 30)),
        ("14:02", at(2026, 3, 1, 14, 2)),
        ("9:14", at(2026, 3, 2, 9, 14)),
        ("10:30", at(2026, 3, 2, 10, 30)),
        ("9:14:05.25", at(2026, 3, 2, 9, 14, 5, 250_000)),
        ("yesterday 9:14", at(2026, 3, 1, 9, 14)),
        ("  Yesterday  at 9:14 ", at(2026, 3, 1, 9, 14)),
        ("today 14:02", at(2026, 3, 2, 14, 2)),
        ("10 min ago", at(2026, 3, 2, 10, 20)),
        ("10min ago", at(2026, 3, 2, 10, 20)),
        ("1.5 hours ago", at(2026, 3, 2, 9, 0)),
        ("an hour ago", at(2026, 3, 2, 9, 30)),
        ("a day ago", at(2026, 3, 1, 10, 30)),
        ("90 s ago", at(2026, 3, 2, 10, 28, 30)),
        ("2 weeks ago", at(2026, 2, 16, 10, 30)),
        ("2026-03-01", at(2026, 3, 1)),
        ("2026-03-01 14:02", at(2026, 3, 1, 14, 2)),
        ("2026-03-01T14:02:11.000251", at(2026, 3, 1, 14, 2, 11, 251)),
        ("2026-03-01T14:02:11Z", at(2026, 3, 1, 16, 2, 11)),
        ("2026-03-01T14:02:11+05:30", at(2026, 3, 1, 10, 32, 11)),
    ],
)
def test_moments(text: str, expected: Moment) -> None:
    """Each form means what a person would mean by it, looking back."""
    assert parse(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    ["", "soon", "25:00", "9:99", "2026-13-01", "10 parsecs ago", "-5", "4.5", "yesterday", "٣", "9" * 30 + " h ago"],
)
def test_what_names_no_moment(text: str) -> None:
    """One clear error that says what would be understood."""
    with pytest.raises(MomentError, match="is no moment") as caught:
        parse(text, NOW)
    assert '"10 min ago"' in caught.value.expected
    assert caught.value.text == text


def test_another_day_may_have_another_offset() -> None:
    """The zone's rules of that day count, not the offset of now."""
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 3, 29, 12, 0, tzinfo=berlin)
    found = parse(
        "2026-03-28 12:00", now.astimezone(timezone(timedelta(hours=2))), lambda it: it.replace(tzinfo=berlin)
    )
    assert moment_of(found.at) == datetime(2026, 3, 28, 11, 0, tzinfo=UTC)


@given(st.integers(0, 4_102_444_800_000_000))
def test_what_is_printed_can_be_typed(at: int) -> None:
    """The ISO form has microseconds and UTC, and names the same moment again."""
    assert parse(iso(at), NOW).at == micros_of(iso(at)) == at
    assert len(iso(at)) == len("2026-03-01T14:02:11.000251Z")

"""Moments as people and programs write them: a position, ISO 8601, "14:02", "10 min ago", "yesterday 9:14"."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from events.envelope import Micros, Position

Localize = Callable[[datetime], datetime]
"""Gives a wall-clock time without a zone the zone of the person who typed it."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FORMS = 'a position (412), a time (2026-03-01T14:02:11Z), "14:02", "10 min ago" or "yesterday 9:14"'
UNITS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
UNITS |= {"d": 86_400, "day": 86_400, "w": 604_800, "week": 604_800}

_AGO = re.compile(r"(\d+(?:\.\d+)?|an?)\s*([a-z]+)\s+ago")
_CLOCK = re.compile(r"(?:(today|yesterday)\s+(?:at\s+)?)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?")


class Moment(msgspec.Struct, frozen=True):
    """A place in the history: a position, or else a moment (µs UTC)."""

    seq: Position | None = None
    at: Micros = 0


class MomentError(ValueError):
    """A text that names no moment; the message says what was expected."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no moment")
        self.text, self.expected = text, FORMS


def parse(text: str, now: datetime, localize: Localize | None = None) -> Moment:
    """The moment that `text` names, seen from `now` (with its zone); a bare "14:02" is the last time it was 14:02.

    `localize` knows the zone's rules for other days; without it, `now`'s offset holds. Raises MomentError.
    """
    localize = localize or (lambda naive: naive.replace(tzinfo=now.tzinfo))
    words = " ".join(text.lower().split())
    if words.isascii() and words.isdigit():
        return Moment(seq=int(words))
    if words == "now":
        return Moment(at=micros(now))
    try:
        found = _ago(words, now) or _clock(words, now, localize) or _iso(text.strip(), localize)
        return Moment(at=micros(found))
    except (ValueError, OverflowError):
        raise MomentError(text) from None


def micros(moment: datetime) -> Micros:
    """A moment with a zone as µs since 1970 UTC."""
    return (moment - EPOCH) // MICROSECOND


def moment_of(at: Micros) -> datetime:
    """The moment `at` (µs since 1970 UTC), in UTC."""
    return EPOCH + timedelta(microseconds=at)


def iso(at: Micros) -> str:
    """ISO 8601 in UTC with microseconds: `2026-03-01T14:02:11.000250Z`."""
    return moment_of(at).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def micros_of(text: str) -> Micros:
    """The moment that `iso` wrote."""
    return micros(datetime.fromisoformat(text))


def _ago(words: str, now: datetime) -> datetime | None:
    match = _AGO.fullmatch(words)
    if match is None:
        return None
    amount, unit = match.groups()
    seconds = UNITS.get(unit) or UNITS.get(unit.removesuffix("s"))
    if seconds is None:
        raise ValueError(words)
    return now - timedelta(seconds=seconds * (1.0 if amount.startswith("a") else float(amount)))


def _clock(words: str, now: datetime, localize: Localize) -> datetime | None:
    match = _CLOCK.fullmatch(words)
    if match is None:
        return None
    day, hour, minute, second, fraction = match.groups()
    clock = time(int(hour), int(minute), int(second or 0), int((fraction or "").ljust(6, "0")))
    if day == "yesterday":
        return _on(_day_before(now), clock, localize)
    today = _on(now.date(), clock, localize)
    return today if day == "today" or today <= now else _on(_day_before(now), clock, localize)


def _day_before(now: datetime) -> date:
    return now.date() - timedelta(days=1)


def _on(day: date, clock: time, localize: Localize) -> datetime:
    return localize(datetime.combine(day, clock))


def _iso(text: str, localize: Localize) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else localize(found)

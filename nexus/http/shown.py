"""What only the web API shows: events as they are stored, pages of them, and what became of a command."""

from __future__ import annotations

from typing import Literal

import msgspec

from events.envelope import Position
from events.reader import Stored
from projections import event_views, story
from projections.changes import Plan
from projections.event_views import DecisionView
from projections.health import HealthStatus
from projections.port_past import PortMoment
from projections.services import InstanceState
from projections.views import LeaseView, PortView, ServiceView


class Health(msgspec.Struct, frozen=True):
    """That the server answers, and how much of the log it knows."""

    status: Literal["ok"]
    seq: Position


class EventView(event_views.EventView, frozen=True):
    """One event; `data` is what was recorded, with its `kind`, and `summary` says it in words."""

    summary: str


class EventsPage(msgspec.Struct, frozen=True):
    """Events in order; `next` is the `after` of the next page (with `newest_first` its `before`), null at the end."""

    seq: Position
    at: str
    events: list[EventView]
    next: Position | None


class DecisionsPage(msgspec.Struct, frozen=True):
    """Decisions in order; `next` as for events."""

    seq: Position
    at: str
    decisions: list[DecisionView]
    next: Position | None


class ServicesView(msgspec.Struct, frozen=True):
    """Every service by name."""

    seq: Position
    at: str
    services: dict[str, ServiceView]


class OneService(msgspec.Struct, frozen=True):
    """One service."""

    seq: Position
    at: str
    name: str
    service: ServiceView


class OnePort(msgspec.Struct, frozen=True):
    """One port; `port` is null where nobody is known to have it; its `past` begins with the newest."""

    seq: Position
    at: str
    number: int
    port: PortView | None
    past: list[PortMoment]


class Outcome(msgspec.Struct, frozen=True):
    """What a service came to after a command: `settled` once nothing will change by itself any more."""

    settled: bool
    state: InstanceState
    health: HealthStatus
    why: str


class Accepted(msgspec.Struct, frozen=True):
    """A command that is recorded as event `seq`; `outcome` is null unless `wait` was asked."""

    seq: Position
    outcome: Outcome | None


class Reloaded(msgspec.Struct, frozen=True):
    """The configuration that was read again as event `seq`, and what follows."""

    seq: Position
    plan: Plan


class LogPart(msgspec.Struct, frozen=True):
    """A part of what an instance has written: bytes `start` to `end` of `size`."""

    service: str
    instance: str
    start: int
    end: int
    size: int
    lines: list[str]


class LeaseGiven(msgspec.Struct, frozen=True):
    """The lease that was asked for as event `seq`."""

    seq: Position
    lease: LeaseView


class LeaseReleased(msgspec.Struct, frozen=True):
    """The lease that was given back, as event `seq`."""

    seq: Position
    name: str
    port: int


class Self(msgspec.Struct, frozen=True):
    """Who asks, as every command's event names them."""

    name: str
    role: Literal["read", "operate", "admin"]


def event(stored: Stored) -> EventView:
    """An event as it is shown."""
    return EventView(**msgspec.structs.asdict(event_views.event(stored)), summary=story.sentence(stored.event))

"""The client for programs that wait for each answer: questions, commands, leases and the live feed, all typed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar, Unpack

import httpx

from events.envelope import Position
from nexus.client import calls, place
from nexus.client.calls import Call, EventsAsked, FeedAsked, Moment, PageAsked
from nexus.client.feed import BUSY, PATH, Feed, OnGap, timeout
from nexus.client.place import Place
from nexus.client.problems import UnreachableError
from nexus.http import shown
from projections import alert_views, views
from projections.event_views import DecisionView
from projections.explanation import Explanation

A = TypeVar("A")


class Client:
    """Asks one Nexus; every method may raise RefusedError or UnreachableError."""

    def __init__(self, place: Place) -> None:
        self.place = place
        context = place.context()
        transport = httpx.HTTPTransport(verify=context or False, uds=place.socket or None)
        self._http = httpx.Client(transport=transport, base_url=place.url, headers=place.headers())

    @classmethod
    def from_home(cls, home: Path | str | None = None) -> Self:
        """A client of the Nexus of a home on this machine; without one, of that which runs this program or folder."""
        return cls(place.of_home(home))

    @classmethod
    def from_file(cls, path: Path | str) -> Self:
        """A client of the Nexus that a connection file names."""
        return cls(place.of_file(path))

    def __enter__(self) -> Self:
        """Keep connections for the length of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of them."""
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def ask(self, call: Call[A]) -> A:
        """The answer to any call; where the connection breaks it is asked once more, which changes nothing twice."""
        for again in (True, False):
            try:
                answer = self._http.request(
                    call.method, call.path, params=call.query, content=call.content(), headers=call.headers(),
                    timeout=timeout(call.patience_seconds),
                )  # fmt: skip
                return call.read(answer.status_code, answer.content)
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
                if not again:
                    raise UnreachableError(f"{self.place} does not answer: {error}") from error
            except httpx.HTTPError as error:
                raise UnreachableError(f"{self.place} does not answer: {error}") from error
        raise AssertionError("the second time ends either way")

    # -- the live feed -------------------------------------------------------------------------

    def events(
        self, after: Position | None = None, *, on_gap: OnGap | None = None, **asked: Unpack[FeedAsked]
    ) -> Iterator[shown.EventView]:
        """Events as they happen, from `after` on or from now; without an end, gap or duplicate, whatever breaks.

        Raises GapError where events are lost for good, unless `on_gap` is told instead.
        """
        feed = Feed(after, asked, on_gap)
        while True:
            error: Exception | None = None
            try:
                with self._http.stream("GET", PATH, params=feed.query(), timeout=feed.timeout) as answer:
                    if answer.is_success:
                        for piece in answer.iter_bytes():
                            yield from feed.read(piece)
                    elif answer.status_code not in BUSY:
                        feed.refused(answer.status_code, answer.read())
            except httpx.HTTPError as broken:
                error = broken
            time.sleep(feed.ended(error))

    # -- questions and commands ----------------------------------------------------------------

    @contextmanager
    def leased(
        self, name: str, first: int | None = None, last: int | None = None, seconds: float | None = None
    ) -> Iterator[int]:
        """A port for the length of a block."""
        given = self.lease(name, first, last, seconds)
        try:
            yield given.lease.port
        finally:
            self.release(name)

    def status(self, at: Moment = None) -> views.Status:
        """Everything at a glance."""
        return self.ask(calls.question(views.Status, "status", at=at))

    def services(self, at: Moment = None) -> shown.ServicesView:
        """Every service by name."""
        return self.ask(calls.question(shown.ServicesView, "services", at=at))

    def service(self, name: str, at: Moment = None) -> shown.OneService:
        """One service."""
        return self.ask(calls.question(shown.OneService, "services", name, at=at))

    def logs(
        self, service: str, instance: int = 1, start: int | None = None, limit: int | None = None
    ) -> shown.LogPart:
        """What an instance wrote: the end of it, or what follows a byte."""
        return self.ask(
            calls.question(shown.LogPart, "services", service, "logs", instance=instance, start=start, limit=limit)
        )

    def ports(self, at: Moment = None) -> views.PortsView:
        """The ports that are known of."""
        return self.ask(calls.question(views.PortsView, "ports", at=at))

    def port(self, number: int, at: Moment = None) -> shown.OnePort:
        """Who has a port."""
        return self.ask(calls.question(shown.OnePort, "ports", number, at=at))

    def leases(self, at: Moment = None) -> views.LeasesView:
        """The ports that are promised."""
        return self.ask(calls.question(views.LeasesView, "leases", at=at))

    def alerts(self, at: Moment = None) -> alert_views.AlertsView:
        """What somebody ought to know."""
        return self.ask(calls.question(alert_views.AlertsView, "alerts", at=at))

    def graph(self, at: Moment = None) -> views.GraphView:
        """Which service needs which."""
        return self.ask(calls.question(views.GraphView, "graph", at=at))

    def history(self, **asked: Unpack[EventsAsked]) -> shown.EventsPage:
        """A page of the history."""
        return self.ask(calls.question(shown.EventsPage, "events", **asked))

    def decisions(self, **asked: Unpack[PageAsked]) -> shown.DecisionsPage:
        """A page of the decisions."""
        return self.ask(calls.question(shown.DecisionsPage, "decisions", **asked))

    def event(self, seq: Position, at: Moment = None) -> shown.EventView:
        """One event."""
        return self.ask(calls.question(shown.EventView, "events", seq, at=at))

    def decision(self, seq: Position, at: Moment = None) -> DecisionView:
        """One decision, with its rule and what was rejected."""
        return self.ask(calls.question(DecisionView, "decisions", seq, at=at))

    def explain(self, seq: Position, at: Moment = None) -> Explanation:
        """Why an event happened, and what came of it."""
        return self.ask(calls.question(Explanation, "events", seq, "explanation", at=at))

    def who(self) -> shown.Self:
        """Who this client is, and what it may do."""
        return self.ask(calls.question(shown.Self, "session"))

    def start(self, service: str, *, wait: float = 0, key: str = "") -> shown.Accepted:
        """Start a service, and what it needs; `wait` seconds at most for what comes of it."""
        return self.ask(calls.command("start", service, wait, key))

    def stop(self, service: str, *, wait: float = 0, key: str = "") -> shown.Accepted:
        """Stop a service, after what needs it."""
        return self.ask(calls.command("stop", service, wait, key))

    def restart(self, service: str, *, wait: float = 0, key: str = "") -> shown.Accepted:
        """Replace the runs of a service; asked again with the same `key`, it is not done again."""
        return self.ask(calls.command("restart", service, wait, key))

    def lease(
        self, name: str, first: int | None = None, last: int | None = None, seconds: float | None = None
    ) -> shown.LeaseGiven:
        """A port that nobody else gets: until it is released, its `seconds` are over or it lies unused."""
        return self.ask(calls.lease(name, first, last, seconds))

    def release(self, name: str) -> shown.LeaseReleased:
        """Give a leased port back."""
        return self.ask(calls.release(name))

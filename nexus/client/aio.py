"""The same client for programs with an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


class AsyncClient:
    """Asks one Nexus, inside `async with`; every method may raise RefusedError or UnreachableError."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._http: httpx.AsyncClient

    @classmethod
    def from_home(cls, home: Path | str | None = None) -> Self:
        """A client of the Nexus of a home on this machine; without one, of that which runs this program or folder."""
        return cls(place.of_home(home))

    @classmethod
    def from_file(cls, path: Path | str) -> Self:
        """A client of the Nexus that a connection file names."""
        return cls(place.of_file(path))

    async def __aenter__(self) -> Self:
        """Keep connections for the length of a block."""
        context = await asyncio.to_thread(self.place.context)
        transport = httpx.AsyncHTTPTransport(verify=context or False, uds=self.place.socket or None)
        self._http = httpx.AsyncClient(transport=transport, base_url=self.place.url, headers=self.place.headers())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of them."""
        await self._http.aclose()

    async def ask(self, call: Call[A]) -> A:
        """The answer to any call; where the connection breaks it is asked once more, which changes nothing twice."""
        for again in (True, False):
            try:
                answer = await self._http.request(
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

    async def events(
        self, after: Position | None = None, *, on_gap: OnGap | None = None, **asked: Unpack[FeedAsked]
    ) -> AsyncIterator[shown.EventView]:
        """Events as they happen, from `after` on or from now; without an end, gap or duplicate, whatever breaks.

        Raises GapError where events are lost for good, unless `on_gap` is told instead.
        """
        feed = Feed(after, asked, on_gap)
        while True:
            error: Exception | None = None
            try:
                async with self._http.stream("GET", PATH, params=feed.query(), timeout=feed.timeout) as answer:
                    if answer.is_success:
                        async for piece in answer.aiter_bytes():
                            for event in feed.read(piece):
                                yield event
                    elif answer.status_code not in BUSY:
                        feed.refused(answer.status_code, await answer.aread())
            except httpx.HTTPError as broken:
                error = broken
            await asyncio.sleep(feed.ended(error))

    # -- questions and commands ----------------------------------------------------------------

    @asynccontextmanager
    async def leased(
        self, name: str, first: int | None = None, last: int | None = None, seconds: float | None = None
    ) -> AsyncIterator[int]:
        """A port for the length of a block."""
        given = await self.lease(name, first, last, seconds)
        try:
            yield given.lease.port
        finally:
            await self.release(name)

    async def status(self, at: Moment = None) -> views.Status:
        """Everything at a glance."""
        return await self.ask(calls.question(views.Status, "status", at=at))

    async def services(self, at: Moment = None) -> shown.ServicesView:
        """Every service by name."""
        return await self.ask(calls.question(shown.ServicesView, "services", at=at))

    async def service(self, name: str, at: Moment = None) -> shown.OneService:
        """One service."""
        return await self.ask(calls.question(shown.OneService, "services", name, at=at))

    async def logs(
        self, service: str, instance: int = 1, start: int | None = None, limit: int | None = None
    ) -> shown.LogPart:
        """What an instance wrote: the end of it, or what follows a byte."""
        return await self.ask(
            calls.question(shown.LogPart, "services", service, "logs", instance=instance, start=start, limit=limit)
        )

    async def ports(self, at: Moment = None) -> views.PortsView:
        """The ports that are known of."""
        return await self.ask(calls.question(views.PortsView, "ports", at=at))

    async def port(self, number: int, at: Moment = None) -> shown.OnePort:
        """Who has a port."""
        return await self.ask(calls.question(shown.OnePort, "ports", number, at=at))

    async def leases(self, at: Moment = None) -> views.LeasesView:
        """The ports that are promised."""
        return await self.ask(calls.question(views.LeasesView, "leases", at=at))

    async def alerts(self, at: Moment = None) -> alert_views.AlertsView:
        """What somebody ought to know."""
        return await self.ask(calls.question(alert_views.AlertsView, "alerts", at=at))

    async def graph(self, at: Moment = None) -> views.GraphView:
        """Which service needs which."""
        return await self.ask(calls.question(views.GraphView, "graph", at=at))

    async def history(self, **asked: Unpack[EventsAsked]) -> shown.EventsPage:
        """A page of the history."""
        return await self.ask(calls.question(shown.EventsPage, "events", **asked))

    async def decisions(self, **asked: Unpack[PageAsked]) -> shown.DecisionsPage:
        """A page of the decisions."""
        return await self.ask(calls.question(shown.DecisionsPage, "decisions", **asked))

    async def event(self, seq: Position, at: Moment = None) -> shown.EventView:
        """One event."""
        return await self.ask(calls.question(shown.EventView, "events", seq, at=at))

    async def decision(self, seq: Position, at: Moment = None) -> DecisionView:
        """One decision, with its rule and what was rejected."""
        return await self.ask(calls.question(DecisionView, "decisions", seq, at=at))

    async def explain(self, seq: Position, at: Moment = None) -> Explanation:
        """Why an event happened, and what came of it."""
        return await self.ask(calls.question(Explanation, "events", seq, "explanation", at=at))

    async def who(self) -> shown.Self:
        """Who this client is, and what it may do."""
        return await self.ask(calls.question(shown.Self, "session"))

    async def start(self, service: str, *, wait: float = 0, key: str = "") -> shown.Accepted:
        """Start a service, and what it needs; `wait` seconds at most for what comes of it."""
        return await self.ask(calls.command("start", service, wait, key))

    async def stop(self, service: str, *, wait: float = 0, key: str = "") -> shown.Accepted:
        """Stop a service, after what needs it."""
        return await self.ask(calls.command("stop", service, wait, key))

    async def restart(self, service: str, *, wait: float = 0, key: str = "") -> shown.Accepted:
        """Replace the runs of a service; asked again with the same `key`, it is not done again."""
        return await self.ask(calls.command("restart", service, wait, key))

    async def lease(
        self, name: str, first: int | None = None, last: int | None = None, seconds: float | None = None
    ) -> shown.LeaseGiven:
        """A port that nobody else gets: until it is released, its `seconds` are over or it lies unused."""
        return await self.ask(calls.lease(name, first, last, seconds))

    async def release(self, name: str) -> shown.LeaseReleased:
        """Give a leased port back."""
        return await self.ask(calls.release(name))

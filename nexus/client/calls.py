"""What can be asked, as values: each call knows its path and the type of its answer, and is sent by either client."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Generic, Literal, TypedDict, TypeVar
from urllib.parse import quote

import msgspec

from events.envelope import Position
from nexus.client.problems import RefusedError, UnreachableError
from nexus.http import shown

A = TypeVar("A")
Moment = str | int | None
"""A position, or a text such as "10 min ago"; None is now."""

Verb = Literal["start", "stop", "restart"]
ANSWER_SECONDS = 30.0


class Call(msgspec.Struct, Generic[A], frozen=True):
    """A request, and `answer`, the type of what comes back; a `key` makes asking twice the same as asking once."""

    answer: type[A]
    path: str
    query: Mapping[str, str] = {}
    method: Literal["GET", "POST", "DELETE"] = "GET"
    body: Mapping[str, Any] | None = None
    key: str = ""
    patience_seconds: float = ANSWER_SECONDS

    def headers(self) -> dict[str, str]:
        """The headers of this call alone."""
        found = {"Idempotency-Key": self.key} if self.key else {}
        return found | ({"Content-Type": "application/json"} if self.body is not None else {})

    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else msgspec.json.encode(self.body)

    def read(self, status: int, content: bytes) -> A:
        """The answer; raises RefusedError for a problem, UnreachableError for what is no answer of Nexus."""
        try:
            if status < 400:
                return msgspec.json.decode(content, type=self.answer)
            problem = msgspec.json.decode(content, type=_Problem)
        except msgspec.DecodeError as error:
            raise UnreachableError(f"{self.path}: status {status}, and no answer of Nexus: {error}") from error
        raise RefusedError(status, problem.thing, problem.expected, problem.found, problem.next_step)


class _Problem(msgspec.Struct, frozen=True):
    thing: str
    expected: str
    found: str
    next_step: str


def question(answer: type[A], *path: str | int, **query: object) -> Call[A]:
    """A question to Nexus; what is None or empty is left out of the query."""
    return Call(answer, path_of(*path), query_of(query))


def path_of(*parts: str | int) -> str:
    """A path of the API."""
    return "/".join(("/api", *(quote(str(part), safe="") for part in parts)))


def query_of(values: Mapping[str, object]) -> dict[str, str]:
    """A query, without what is not asked."""
    asked = {name: value for name, value in values.items() if value is not None and value != ""}
    return {name: str(it).lower() if isinstance(it, bool) else str(it) for name, it in asked.items()}


def command(verb: Verb, service: str, wait: float, key: str) -> Call[shown.Accepted]:
    """A command for one service."""
    return Call(
        shown.Accepted, path_of("services", service, verb), query_of({"wait": wait or None}), "POST",
        key=key or str(uuid.uuid4()), patience_seconds=wait + ANSWER_SECONDS,
    )  # fmt: skip


def lease(name: str, first: int | None, last: int | None, seconds: float | None) -> Call[shown.LeaseGiven]:
    """A port by name."""
    wanted = {"name": name, "first": first, "last": last, "term_seconds": seconds}
    body = {name: it for name, it in wanted.items() if it is not None}
    return Call(shown.LeaseGiven, "/api/leases", method="POST", body=body, key=str(uuid.uuid4()))


def release(name: str) -> Call[shown.LeaseReleased]:
    """A port back."""
    return Call(shown.LeaseReleased, path_of("leases", name), method="DELETE", key=str(uuid.uuid4()))


class PageAsked(TypedDict, total=False):
    """Which page of a list: after or before a position, at most so many, of a service, with a text, as of a moment."""

    after: Position
    before: Position
    limit: int
    newest_first: bool
    service: str
    search: str
    at: Moment


class EventsAsked(PageAsked, total=False):
    """Which page of the history: of a kind (or its first word), of a stream, since a moment."""

    kind: str
    stream: str
    since: Moment


class FeedAsked(TypedDict, total=False):
    """Which events of the live feed."""

    kind: str
    service: str
    stream: str

"""One service is asked for what it offers, at the paths where such things usually are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import quote

import msgspec

from events.catalog import EndpointSource
from nexus.registry.reading import GRAPHQL_QUERY
from nexus.sensors.fetching import Address, Answer, NoAnswerError, fetch

OPENAPI_PATHS = (
    "/openapi.json", "/swagger.json", "/v3/api-docs", "/api-docs", "/api/openapi.json", "/openapi.yaml",
    "/swagger/v1/swagger.json", "/api-json", "/swagger/doc.json", "/apispec_1.json",
)  # fmt: skip
"""Where FastAPI, Flask, Spring, Express, ASP.NET, Nest and Go serve their documents; each costs a request a run."""

ASYNCAPI_PATHS = ("/asyncapi.json",)
GRAPHQL_PATH = f"/graphql?query={quote(GRAPHQL_QUERY)}"
HEALTH_PATHS = ("/health", "/healthz", "/api/health", "/readyz")
NOWHERE = "/nexus-asks-for-what-is-not-there"
"""A service that answers even this well answers everything well: then a good answer says nothing."""

SLOW_MAX = 2
"""After so many answers that did not come in time nothing more is asked."""

ACCEPT = "application/json, application/yaml;q=0.9, */*;q=0.1"
MARKS: tuple[tuple[EndpointSource, re.Pattern[bytes]], ...] = (
    ("openapi", re.compile(rb"""^\s*["']?(?:openapi|swagger)["']?\s*:|"(?:openapi|swagger)"\s*:""", re.MULTILINE)),
    ("asyncapi", re.compile(rb"""^\s*["']?asyncapi["']?\s*:|"asyncapi"\s*:""", re.MULTILINE)),
    ("graphql", re.compile(rb'"__schema"\s*:')),
)


class Served(msgspec.Struct, frozen=True):
    """A document as a service serves it."""

    source: EndpointSource
    path: str
    body: bytes


class Heard(msgspec.Struct):
    """What a service answered; `finished` unless it was too slow or speaks something else than HTTP.

    `deaf` is one that nobody could connect to: it may not listen yet.
    """

    documents: list[Served] = msgspec.field(default_factory=list)
    problems: list[tuple[str, str]] = msgspec.field(default_factory=list)
    health: list[str] = msgspec.field(default_factory=list)
    finished: bool = False
    deaf: bool = False


async def ask_around(address: Address, document: str = "", last: str = "") -> Heard:
    """Ask at the `document` that is declared, else where it was `last` and at the usual paths."""
    heard, patience = Heard(), [SLOW_MAX]
    nowhere = await _fetched(address, NOWHERE, patience)
    if nowhere is None:
        return Heard(deaf=patience[0] == 0)
    if document:
        await _look(address, [document], heard, patience, declared=True)
    else:
        usual = [*([last] if last else []), *(path for path in OPENAPI_PATHS if path != last)]
        await _look(address, usual, heard, patience)
        await _look(address, ASYNCAPI_PATHS, heard, patience)
    vague = nowhere.status == HTTPStatus.OK
    if not vague:
        await _look(address, [GRAPHQL_PATH], heard, patience)
        for path in HEALTH_PATHS:
            answer = await _fetched(address, path, patience)
            if answer and answer.status in (200, 204) and answer.media_type != "text/html":
                heard.health.append(path)
    heard.finished = patience[0] > 0
    return heard


async def _look(
    address: Address, paths: Iterator[str] | list[str] | tuple[str, ...], heard: Heard, patience: list[int],
    declared: bool = False,
) -> None:  # fmt: skip
    """The first document at one of these paths; of a declared one, any problem is told."""
    for path in paths:
        answer = await _fetched(address, path, patience)
        shown = "/graphql" if path == GRAPHQL_PATH else path
        source = answer and _source(answer, declared)
        if answer and source and not answer.cut:
            heard.documents.append(Served(source, shown, answer.body))
            return
        if answer and source and answer.cut:
            heard.problems.append((shown, answer.cut))
            return
        if declared:
            heard.problems.append((shown, _problem(answer)))


def _source(answer: Answer, declared: bool) -> EndpointSource | None:
    """What kind of document an answer seems to be; what is cut off is judged by its beginning."""
    if answer.status != HTTPStatus.OK or answer.media_type == "text/html" or answer.body.lstrip()[:1] == b"<":
        return None
    for source, mark in MARKS:
        if mark.search(answer.body):
            return source
    return "openapi" if declared or (answer.cut and _is_data(answer)) else None


def _is_data(answer: Answer) -> bool:
    return "json" in answer.media_type or "yaml" in answer.media_type


def _problem(answer: Answer | None) -> str:
    if answer is None:
        return "there was no answer in time"
    if 300 <= answer.status < 400:
        return f"the answer was {answer.status}, a redirect, and those are not followed"
    if answer.status != HTTPStatus.OK:
        return f"the answer was {answer.status}, not 200"
    return "it is a page, not a document"


async def _fetched(address: Address, path: str, patience: list[int]) -> Answer | None:
    """The answer, None without one; `patience` counts how many slow ones are left."""
    if patience[0] <= 0:
        return None
    try:
        answer = await fetch(address, path, accept=ACCEPT)
    except NoAnswerError as error:
        patience[0] = patience[0] - 1 if error.slow else 0
        return None
    if answer.cut:
        patience[0] -= 1
    return answer

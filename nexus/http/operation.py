"""One operation of the API: what it takes, what it answers and who may ask; routes and OpenAPI follow from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import HTTPConnection, Request

from nexus.http.problems import Problem
from nexus.http.tokens import Role

P = TypeVar("P", bound=msgspec.Struct)
Q = TypeVar("Q", bound=msgspec.Struct)

BODY_SECONDS = 10.0
COMMON_PROBLEMS = (400, 403, 414, 421, 429, 431)
"""What any operation may answer."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Asked(msgspec.Struct, Generic[P, Q], frozen=True):
    """A request that was understood: what its path names, its query, and its body where it has one."""

    place: P
    query: Q
    body: Any = None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A method on a path; `sort` says how it is carried out, `role` None that anybody may ask."""

    name: str
    method: Literal["GET", "POST", "DELETE"] = "GET"
    path: str
    summary: str
    tag: str
    role: Role | None = "read"
    place: type[msgspec.Struct] = Nothing
    query: type[msgspec.Struct] = Nothing
    body: type[msgspec.Struct] | None = None
    answer: Any = None
    media_type: str = "application/json"
    also: tuple[str, ...] = ()
    """Other media types that it may answer with."""
    status: int = 200
    problems: tuple[int, ...] = ()
    sort: Literal["state", "log", "command", "action", "stream", "reader", "export"] = "action"
    ages: bool = False
    """Whether the answer changes although nothing new is in the log."""
    handler: Callable[..., Any] | str
    """The pure question or the command itself, or the name of what the application does."""

    def statuses(self) -> list[int]:
        """Every problem that it may answer."""
        found = {*COMMON_PROBLEMS, *self.problems}
        if self.role:
            found.add(401)
        if self.body:
            found |= {413, 415}
        return sorted(found)


def place_of(connection: HTTPConnection, kind: type[P]) -> P:
    """What the path names; raises Problem 404 for a name that can't be one."""
    try:
        return msgspec.convert(dict(connection.path_params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(
            404, f"the path {connection.url.path}"[:200], "the name of something", str(error),
            "GET /api/openapi.json names every path.",
        ) from error  # fmt: skip


def query_of(connection: HTTPConnection, kind: type[Q]) -> Q:
    """The query, each key at most once and none that is not known; raises Problem 400."""
    pairs = parse_qsl(connection.scope["query_string"].decode("latin-1"), keep_blank_values=True, encoding="utf-8")
    values = dict(pairs)
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    wrong = [key for key, _ in pairs if key not in known]
    if wrong:
        raise Problem(400, "the query", f"only {', '.join(known) or 'nothing'}", repr(wrong[0])[:100], "Leave it out.")
    if len(values) < len(pairs):
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise Problem(400, f"the query key {twice!r}", "one value", "several", "Send it once.")
    try:
        found = msgspec.convert(values, kind, strict=False)
        names = {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
        unset = [key for key in values if getattr(found, names[key]) is None]
        if unset:
            raise msgspec.ValidationError(f"Expected a value - at `$.{unset[0]}`")
        return found
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$.")
        key = where.rstrip("`")
        raise Problem(400, f"the query key {key!r}", message, repr(values.get(key))[:100], "Mend it.") from error


async def body_of(request: Request, kind: type[msgspec.Struct] | None) -> msgspec.Struct | None:
    """The JSON body; raises Problem 400, 408, 413 or 415. Where none is expected, none may come."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            raw = await request.body()
    except TimeoutError:
        raise Problem(
            408, "the body", f"all of it in {BODY_SECONDS:g} s", "less", "Send it at once.", {"Connection": "close"}
        ) from None
    if kind is None:
        if raw:
            raise Problem(400, "the body", "none", f"{len(raw)} bytes", "Leave it out.")
        return None
    content_type = request.headers.get("content-type", "none").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Problem(415, "the Content-Type header", "application/json", content_type[:100], "Send JSON and say so.")
    try:
        return msgspec.convert(_integral(msgspec.json.decode(raw)), kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "the body", f"JSON of {kind.__name__}", str(error), "Mend it.") from error


def _integral(value: Any) -> Any:
    """The same JSON with 3.0 as 3, which JSON Schema takes for an integer."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _integral(it) for name, it in value.items()}
        case list():
            return [_integral(it) for it in value]
        case _:
            return value

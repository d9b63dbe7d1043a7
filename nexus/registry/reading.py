"""What a document says: of which kind it is, and which endpoints it names."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from events.catalog import Endpoint, EndpointSource
from nexus.registry.errors import UnusableError, plain
from nexus.registry.grammar import Json, operations
from nexus.registry.lifting import base_path, lifted
from nexus.registry.parsing import parsed, resolved
from nexus.registry.validity import check

ENDPOINTS_MAX = 2_000
PATH_LENGTH_MAX = 500
TEXT_LENGTH_MAX = 120
GRAPHQL_QUERY = "{__schema{" + " ".join(
    f"{it}Type{{fields{{name description}}}}" for it in ("query", "mutation", "subscription")
) + "}}"  # fmt: skip


class Reading(msgspec.Struct):
    """A document that can be used; `document` is it as OpenAPI 3.1, or as it was where it is none."""

    source: EndpointSource
    title: str
    endpoints: tuple[Endpoint, ...]
    omitted: int
    document: Json


def read(raw: bytes) -> Reading:
    """What `raw` says; raises UnusableError."""
    document = parsed(raw)
    if "openapi" in document or "swagger" in document:
        document = lifted(document)
        check(document)
        return _reading("openapi", document, _openapi(document))
    if "asyncapi" in document:
        return _reading("asyncapi", document, _asyncapi(document))
    if isinstance(document.get("data"), dict) and isinstance(document["data"].get("__schema"), dict):
        return _reading("graphql", document, _graphql(document["data"]["__schema"]))
    raise UnusableError("it is neither OpenAPI nor AsyncAPI nor the schema of GraphQL")


def _reading(source: EndpointSource, document: Json, found: Iterable[Endpoint]) -> Reading:
    endpoints = tuple(dict.fromkeys(found))
    info = document.get("info")
    title = plain(info.get("title") or "", TEXT_LENGTH_MAX) if isinstance(info, dict) else ""
    return Reading(source, title, endpoints[:ENDPOINTS_MAX], max(0, len(endpoints) - ENDPOINTS_MAX), document)


def _openapi(document: Json) -> Iterable[Endpoint]:
    base = base_path(document)
    for path, method, operation in operations(document):
        summary = operation.get("summary") or operation.get("operationId") or ""
        yield Endpoint(method.upper(), plain(base + path, PATH_LENGTH_MAX), summary=plain(summary, TEXT_LENGTH_MAX))


def _asyncapi(document: Json) -> Iterable[Endpoint]:
    """What the service sends and receives; in version 2 its clients `subscribe` to what it sends."""
    channels = document.get("channels")
    for name, channel in channels.items() if isinstance(channels, dict) else ():
        for word, method in (("subscribe", "SEND"), ("publish", "RECEIVE")):
            if isinstance(channel, dict) and isinstance(channel.get(word), dict):
                summary = plain(channel[word].get("summary") or "", TEXT_LENGTH_MAX)
                yield Endpoint(method, plain(name, PATH_LENGTH_MAX), summary=summary)
    operations = document.get("operations")
    for operation in operations.values() if isinstance(operations, dict) else ():
        where = operation.get("channel") if isinstance(operation, dict) else None
        if isinstance(where, dict):
            channel = resolved(document, str(where.get("$ref", "")))
            address = channel.get("address") if isinstance(channel, dict) else None
            if isinstance(address, str):
                method = "SEND" if operation.get("action") == "send" else "RECEIVE"
                summary = plain(operation.get("summary") or "", TEXT_LENGTH_MAX)
                yield Endpoint(method, plain(address, PATH_LENGTH_MAX), summary=summary)


def _graphql(schema: Json) -> Iterable[Endpoint]:
    for word in ("query", "mutation", "subscription"):
        kind = schema.get(f"{word}Type")
        fields = kind.get("fields") if isinstance(kind, dict) else None
        for field in fields if isinstance(fields, list) else ():
            if isinstance(field, dict) and isinstance(field.get("name"), str):
                summary = plain(field.get("description") or "", TEXT_LENGTH_MAX)
                yield Endpoint("POST", "/graphql", f"{word} {plain(field['name'], 100)}", summary)

"""The positions of an OpenAPI document: what kind of object stands where, so that it is changed by position only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Change = Callable[[Json, str], Json]
"""What an object of a kind becomes; what stands below it has been changed already."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

ONE, MANY, NAMED = "one", "many", "named"

GRAMMAR: dict[str, dict[str, tuple[str, str]]] = {
    "document": {"paths": (NAMED, "path"), "webhooks": (NAMED, "path"), "components": (ONE, "components")},
    "components": {
        "schemas": (NAMED, "schema"), "responses": (NAMED, "response"), "parameters": (NAMED, "parameter"),
        "examples": (NAMED, "example"), "requestBodies": (NAMED, "body"), "headers": (NAMED, "header"),
        "securitySchemes": (NAMED, "security scheme"), "links": (NAMED, "link"), "callbacks": (NAMED, "callback"),
        "pathItems": (NAMED, "path"),
    },
    "path": {"parameters": (MANY, "parameter"), **dict.fromkeys(METHODS, (ONE, "operation"))},
    "operation": {
        "parameters": (MANY, "parameter"), "requestBody": (ONE, "body"), "responses": (NAMED, "response"),
        "callbacks": (NAMED, "callback"),
    },
    "callback": {"*": (ONE, "path")},
    "parameter": {"schema": (ONE, "schema"), "content": (NAMED, "media"), "examples": (NAMED, "example")},
    "header": {"schema": (ONE, "schema"), "content": (NAMED, "media"), "examples": (NAMED, "example")},
    "body": {"content": (NAMED, "media")},
    "media": {"schema": (ONE, "schema"), "encoding": (NAMED, "encoding"), "examples": (NAMED, "example")},
    "encoding": {"headers": (NAMED, "header")},
    "response": {"headers": (NAMED, "header"), "content": (NAMED, "media"), "links": (NAMED, "link")},
    "schema": {
        **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"),
                        (NAMED, "schema")),
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), (MANY, "schema")),
        **dict.fromkeys(("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
                         "unevaluatedItems", "unevaluatedProperties", "contentSchema"), (ONE, "schema")),
    },
}  # fmt: skip
"""By kind and key. Examples, enums, constants and extensions are nowhere in it: they are data."""


def rewritten(node: Any, kind: str, change: Change) -> Any:
    """The same tree with each object changed, from the leaves up; the given tree stays as it is."""
    if not isinstance(node, dict):
        return node
    places = GRAMMAR.get(kind, {})
    every = places.get("*")
    new: Json = {}
    for key, value in node.items():
        place = places.get(key) or (every if every and not key.startswith(("x-", "$")) else None)
        new[key] = value if place is None else _below(value, *place, change)
    return change(new, kind)


def _below(value: Any, how: str, kind: str, change: Change) -> Any:
    if how == MANY and isinstance(value, list):
        return [rewritten(it, kind, change) for it in value]
    if how == NAMED and isinstance(value, dict):
        extensible = kind in ("path", "response", "callback")
        return {
            name: it if extensible and name.startswith("x-") else rewritten(it, kind, change)
            for name, it in value.items()
        }
    return rewritten(value, kind, change) if how == ONE else value


def operations(document: Json) -> list[tuple[str, str, Json]]:
    """Every operation with its path and method, in the order of the document."""
    return [
        (path, method, item[method])
        for path, item in document.get("paths", {}).items()
        if isinstance(item, dict) and path.startswith("/")
        for method in METHODS
        if isinstance(item.get(method), dict)
    ]


def references(document: Json) -> list[str]:
    """Every `$ref` that stands where one may stand."""
    found: list[str] = []

    def see(node: Json, _: str) -> Json:
        if isinstance(node.get("$ref"), str):
            found.append(node["$ref"])
        return node

    rewritten(document, "document", see)
    return found

"""What changed between two documents, and what of it breaks callers."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.registry.comparing import broken, compared, named
from nexus.registry.reading import read
from tests.registry.samples import SHOP, changed, raw

ORDER = ("components", "schemas", "Order")
GET = ("paths", "/orders", "get")
POST = ("paths", "/orders", "post")
JSON = ("content", "application/json")
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer"}}

CASES: dict[str, tuple[tuple[str, ...], Any, list[str]]] = {
    "an endpoint is gone": (("paths", "/orders/{id}", "delete"), None, ["DELETE /v1/orders/{id}: it is gone"]),
    "a new required parameter": (
        (*GET, "parameters"), [{**LIMIT, "name": "page", "required": True}],
        ["GET /v1/orders: the query parameter page is new and required"],
    ),
    "a parameter is required": (
        (*GET, "parameters"), [{**LIMIT, "required": True}],
        ["GET /v1/orders: the query parameter limit is required now"],
    ),
    "a parameter of another kind": (
        (*GET, "parameters"), [{**LIMIT, "schema": {"type": "string"}}],
        ["GET /v1/orders: the query parameter limit is string now, not integer"],
    ),
    "fewer values": (
        (*GET, "parameters"), [{**LIMIT, "schema": {"type": "integer", "enum": [1]}}],
        ["GET /v1/orders: the query parameter limit takes fewer values"],
    ),
    "a parameter may be wider": ((*GET, "parameters"), [{**LIMIT, "schema": {"type": "number"}}], []),
    "a new optional parameter": ((*GET, "parameters"), [LIMIT, {**LIMIT, "name": "page"}], []),
    "a login": (
        (*POST, "security"), [{"key": []}], ["POST /v1/orders: it needs a login now"],
    ),
    "no login": ((*GET, "security"), [], []),
    "a body is required": ((*POST, "requestBody", "required"), True, ["POST /v1/orders: a body is required now"]),
    "another kind of body": (
        (*POST, "requestBody", "content"), {"text/plain": {}},
        ["POST /v1/orders: it does not take application/json any more"],
    ),
    "another answer": (
        (*GET, "responses"), {"202": {"description": ""}}, ["GET /v1/orders: it does not answer 200 any more"],
    ),
    "an answer of another kind": (
        (*GET, "responses", "200", "content"), {"text/csv": {}},
        ["GET /v1/orders: its answer is not application/json any more"],
    ),
    "a property is needed": (
        (*ORDER, "required"), ["id", "price"], ["POST /v1/orders: the body needs price now"],
    ),
    "a new property": ((*ORDER, "properties", "colour"), {"type": "string"}, []),
    "a property of another kind": (
        (*ORDER, "properties", "id"), {"type": "integer"},
        ["GET /v1/orders: id of each of its answer is integer now, not string",
         "POST /v1/orders: id of the body is integer now, not string",
         "GET /v1/orders/{id}: id of its answer is integer now, not string"],
    ),
    "words": ((*GET, "summary"), "All", []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_change(name: str) -> None:
    """What breaks is told; what does not is a change without a breach."""
    path, value, expected = CASES[name]
    before = read(raw(SHOP)).document
    after = read(raw(changed(SHOP, *path, to=value))).document
    changes = compared("openapi", before, after)
    assert broken(changes) == expected
    assert changes


def test_a_property_less_in_the_answer() -> None:
    """Callers may have read it."""
    before = read(raw(SHOP)).document
    after = read(raw(changed(SHOP, *ORDER, "properties", "note"))).document
    assert "GET /v1/orders/{id}: its answer has no note any more" in broken(compared("openapi", before, after))


def test_nothing_changed() -> None:
    """The same document is no change, nor is another name in a path a breach."""
    before = read(raw(SHOP)).document
    assert compared("openapi", before, before) == []
    assert compared("graphql", before, before) == []


def test_new_endpoints_break_nobody() -> None:
    """They are told as added, with and without documents."""
    before = read(raw(changed(SHOP, "paths", "/orders/{id}"))).document
    after = read(raw(SHOP)).document
    assert [it.change for it in compared("openapi", before, after)] == ["added", "added"]
    assert broken(named({"GET /a": None}, {"GET /b": None})) == ["GET /a: it is gone"]


def test_schemas_that_contain_themselves_come_to_an_end() -> None:
    """A tree is compared to some depth."""
    tree = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Card"}, "x": {"type": "string"}}}
    other = {**tree, "properties": {**tree["properties"], "x": {"type": "integer"}}}  # type: ignore[dict-item]
    before = read(raw(changed(SHOP, "components", "schemas", "Card", to=tree))).document
    after = read(raw(changed(SHOP, "components", "schemas", "Card", to=other))).document
    assert isinstance(compared("openapi", before, after), list)

"""What documents say, and which can't be used."""

from __future__ import annotations

from typing import Any

import pytest

from events.catalog import Endpoint
from nexus.registry.errors import UnusableError
from nexus.registry.lifting import base_path
from nexus.registry.parsing import BYTES_MAX
from nexus.registry.reading import read
from nexus.registry.validity import check
from tests.registry.samples import PETS, SHOP, Json, changed, raw

ORDERS = ("paths", "/orders", "get")


def test_the_endpoints_of_a_document() -> None:
    """With the path of its server, in its order; an operation without a summary is told by its name."""
    found = read(raw(SHOP))
    assert (found.source, found.title, found.omitted) == ("openapi", "Shop", 0)
    assert found.endpoints == (
        Endpoint("GET", "/v1/orders", summary="Every order"),
        Endpoint("POST", "/v1/orders", summary="add"),
        Endpoint("GET", "/v1/orders/{id}", summary="get"),
        Endpoint("DELETE", "/v1/orders/{id}"),
    )


def test_what_3_0_says_in_its_own_way_is_lifted() -> None:
    """Nullable and limits in schemas; what only looks like it in an example stays."""
    order = read(raw(SHOP)).document["components"]["schemas"]["Order"]
    assert order["properties"]["note"] == {"type": ["string", "null"]}
    assert order["properties"]["price"] == {"type": "number", "exclusiveMinimum": 0}
    assert order["example"] == {"$ref": "#/not/a/reference", "nullable": True}


def test_swagger_2_is_understood() -> None:
    """Parameters of the path, bodies, forms, files and logins."""
    found = read(raw(PETS))
    assert [f"{it.method} {it.path}" for it in found.endpoints] == [
        "GET /api/pets", "POST /api/pets", "PUT /api/pets/{id}/photo",
    ]  # fmt: skip
    paths = found.document["paths"]
    assert [it["name"] for it in paths["/pets"]["get"]["parameters"]] == ["page", "ids"]
    assert paths["/pets"]["post"]["requestBody"]["required"] is True
    form = paths["/pets/{id}/photo"]["put"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["photo"] == {"type": "string", "format": "binary"}
    flows = found.document["components"]["securitySchemes"]["login"]["flows"]
    assert flows["authorizationCode"]["scopes"] == {"all": "all"}


def test_yaml_is_understood() -> None:
    """Codes are numbers there, and dates texts."""
    text = b"openapi: 3.1.0\ninfo: {title: T, version: 2024-01-01}\npaths: {/a: {get: {responses: {200: {}}}}}"
    found = read(text)
    assert found.endpoints == (Endpoint("GET", "/a"),)
    assert found.document["info"]["version"] == "2024-01-01"


def test_asyncapi_of_both_versions() -> None:
    """What the service sends and what it takes, whatever the version calls it."""
    second = {"asyncapi": "2.6.0", "channels": {"lit": {"subscribe": {"summary": "on"}, "publish": {}}}}
    third = {
        "asyncapi": "3.0.0", "channels": {"lit": {"address": "light/on"}},
        "operations": {"a": {"action": "send", "channel": {"$ref": "#/channels/lit"}}, "b": {"channel": 3}},
    }  # fmt: skip
    assert read(raw(second)).endpoints == (Endpoint("SEND", "lit", summary="on"), Endpoint("RECEIVE", "lit"))
    assert read(raw(third)).endpoints == (Endpoint("SEND", "light/on"),)


def test_graphql_by_its_fields() -> None:
    """Each query and mutation is an endpoint of its own at the one path."""
    schema = {"queryType": {"fields": [{"name": "user", "description": "One"}, 7]}, "mutationType": None}
    assert read(raw({"data": {"__schema": schema}})).endpoints == (
        Endpoint("POST", "/graphql", "query user", "One"),
    )  # fmt: skip


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)
CHAIN = {f"S{n}": {"$ref": f"#/components/schemas/S{n + 1}"} for n in range(50)} | {"S50": {}}
HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is no object"),
    "a page": (b"<html><script>alert(1)</script>", "it is no object"),
    "half": (b'{"openapi": "3.1.0"', "it is no valid JSON"),
    "not YAML": (b"a: [", "it is no valid YAML"),
    "not UTF-8": (b'{"a": "\xff\xfe"}', "it is no valid JSON"),
    "nested": (b"[" * 500_000, "it is nested too deeply"),
    "nested objects": (b'{"a":' * 90_000 + b"1" + b"}" * 90_000, "it is nested too deeply"),
    "nested a bit": (b'{"a":' * 200 + b"1" + b"}" * 200, "it is nested more than 100 deep"),
    "YAML bomb": (BOMB.encode(), "it has more than 500000 values"),
    "YAML cycle": (b"a: &a [*a]", "it is nested more than 100 deep"),
    "YAML object": (b"!!python/object/apply:os.system [x]", "it is no valid YAML"),
    "large": (b" " * (BYTES_MAX + 1), "it is larger than 5 MB"),
    "outside": (raw(changed(SHOP, *ORDERS, to={"$ref": "https://evil.example/x"})), "it refers to what is outside"),
    "a file": (raw(changed(SHOP, *ORDERS, to={"$ref": "/etc/passwd"})), "it refers to what is outside"),
    "nowhere": (raw(changed(SHOP, "components", "schemas", "Card")), "the reference #/components/schemas/Card leads"),
    "chain": (raw(changed(SHOP, "components", "schemas", to={**SHOP["components"]["schemas"], **CHAIN})),
              "leads from reference to reference"),
    "circle": (raw({"openapi": "3.1.0", "components": {"schemas": {"A": {"$ref": "#/components/schemas/A"}}}}),
               "#/components/schemas/A leads from reference to reference"),
    "another version": (raw({"openapi": "4.0.0"}), "it is OpenAPI 4.0.0; 2.0, 3.0 and 3.1 are understood"),
    "no paths": (raw({"openapi": "3.1.0", "paths": []}), "its paths are no object"),
    "no such method": (raw(changed(SHOP, "paths", "/orders", "gte", to={})), "it is no valid OpenAPI at paths//orders"),
    "no schema": (raw(changed(SHOP, "components", "schemas", "Card", to={"type": "car"})), "a schema of it is none"),
    "something else": (raw({"hello": "world"}), "it is neither OpenAPI nor AsyncAPI nor the schema of GraphQL"),
    "a key": (b"? [a]\n: 1", "it"),
    "a set": (b"a: !!set {b}", "it has a value that JSON does not have, a set"),
    "not a number": (b"a: .nan", "it has a value that JSON does not have, a float"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_can_not_be_used(name: str) -> None:
    """Each is refused at once, with a reason that can be recorded."""
    text, reason = HOSTILE[name]
    with pytest.raises(UnusableError) as caught:
        read(text)
    assert reason in str(caught.value)
    assert len(str(caught.value)) <= 300


def test_a_reason_never_quotes_values() -> None:
    """What a document holds may be secret."""
    secret = changed(SHOP, "paths", "/orders", "get", "parameters", to=[{"name": 7, "in": "hunter2"}])
    with pytest.raises(UnusableError) as caught:
        read(raw(secret))
    assert "hunter2" not in str(caught.value)


def test_what_a_terminal_would_obey_is_left_out() -> None:
    """Titles and paths become plain, short lines."""
    document = changed(SHOP, "info", "title", to="\x1b[2Jevil\nline" + "x" * 500)
    document["paths"]["/\x1b[31mred"] = {"get": {"responses": {"200": {"description": ""}}}}
    found = read(raw(document))
    assert found.title.startswith("[2Jevil line")
    assert len(found.title) == 120
    assert all(it.path.isprintable() for it in found.endpoints)


MENDED: list[tuple[Json, tuple[str, ...], Any]] = [
    (changed(SHOP, *ORDERS, "responses", "200", to={}), ("paths", "/orders", "get", "responses", "200"),
     {"description": ""}),
    (changed(SHOP, "info", to={}), ("info",), {"title": "", "version": ""}),
    (changed(SHOP, "components", "schemas", "Card", "required", to=[]), ("components", "schemas", "Card"),
     SHOP["components"]["schemas"]["Card"]),
    (changed(SHOP, *ORDERS, "operationId", to="add"), ("paths", "/orders", "get", "operationId"), "add"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "place", "value"), MENDED)
def test_small_mistakes_are_mended(document: Json, place: tuple[str, ...], value: Any) -> None:
    """What many documents lack and has one obvious value; of two operations with one name the second has none."""
    found: Any = read(raw(document)).document
    for part in place:
        found = found[part]
    assert found == value


@pytest.mark.parametrize(
    ("server", "base"),
    [
        ({"url": "/v1/"}, "/v1"),
        ({"url": "https://a.example/{base}", "variables": {"base": {"default": "v2"}}}, "/v2"),
        ({"url": "https://a.example/{open}"}, ""),
        ({"url": "http://[bad"}, ""),
        ({"url": "relative"}, ""),
        ({}, ""),
    ],
)
def test_the_base_path(server: Json, base: str) -> None:
    """The path of the first server, where it is one."""
    assert base_path({"servers": [server]}) == base
    assert base_path({"servers": "none"}) == ""


def test_what_is_read_is_valid() -> None:
    """Whatever version it came from."""
    for document in (SHOP, PETS):
        check(read(raw(document)).document)

"""One document of many: always valid, with every operation of each."""

from __future__ import annotations

from typing import Any

import pytest

from events.catalog import Endpoint
from nexus.registry.grammar import operations, references
from nexus.registry.lifting import lifted
from nexus.registry.merging import Part, inferred, merged
from nexus.registry.parsing import resolved
from nexus.registry.reading import read
from nexus.registry.validity import check
from tests.registry.samples import PETS, SHOP, Json, changed, raw


def part(document: Json, service: str) -> Part:
    """A document as it is kept."""
    return Part(service, f"/{service}", read(raw(document)).document)


def whole(*parts: Part) -> Json:
    """The merged document, which is valid and whose references all lead somewhere."""
    found = merged("Everything", parts, ["http://127.0.0.1:8080"])
    check(found)
    lost = [it for it in references(found) if resolved(found, it) is None]
    assert lost == []
    names = [it.get("operationId") for _, _, it in operations(found) if "operationId" in it]
    assert len(names) == len(set(names))
    return found


def test_every_operation_of_every_part_is_in_the_whole() -> None:
    """The same service twice under two names, and another one."""
    found = whole(part(SHOP, "shop"), part(SHOP, "other"), part(PETS, "pets"))
    assert len(operations(found)) == 4 + 4 + 3
    assert next(iter(found["paths"])) == "/shop/v1/orders"
    assert "/pets/api/pets/{id}/photo" in found["paths"]
    assert found["servers"] == [{"url": "http://127.0.0.1:8080"}]


def test_everything_is_named_after_its_service() -> None:
    """Components, operations, logins and tags; always, not only where two have the same name."""
    found = whole(part(SHOP, "shop"))
    get = found["paths"]["/shop/v1/orders"]["get"]
    assert get["operationId"] == "shop.list"
    assert get["security"] == [{"shop.key": []}]
    assert get["tags"] == ["shop/orders"]
    assert get["x-nexus-service"] == "shop"
    assert set(found["components"]["schemas"]) == {"shop.Order", "shop.Pay", "shop.Card", "shop.Cash"}
    post = found["paths"]["/shop/v1/orders"]["post"]
    assert post["security"] == []
    assert post["tags"] == ["shop"]
    assert post["responses"]["201"]["links"]["it"]["operationId"] == "shop.get"


def test_data_is_left_alone() -> None:
    """What only looks like a reference, in an example or a constant."""
    schemas = whole(part(SHOP, "shop"))["components"]["schemas"]
    assert schemas["shop.Order"]["example"] == {"$ref": "#/not/a/reference", "nullable": True}
    assert schemas["shop.Cash"]["properties"]["by"]["const"] == {"$ref": "#/no"}


def test_discriminators_find_their_schemas() -> None:
    """Those with a mapping, those without, and those that are told apart by what is built on them."""
    schemas = whole(part(SHOP, "shop"))["components"]["schemas"]
    assert schemas["shop.Pay"]["discriminator"]["mapping"] == {
        "card": "#/components/schemas/shop.Card", "Cash": "#/components/schemas/shop.Cash",
    }  # fmt: skip
    cat = {"allOf": [{"$ref": "#/definitions/Pet"}, {"type": "object"}]}
    pets = whole(part(changed(PETS, "definitions", "Cat", to=cat), "pets"))["components"]["schemas"]
    assert pets["pets.Pet"]["discriminator"]["mapping"] == {"Cat": "#/components/schemas/pets.Cat"}


def test_references_into_paths_and_links_by_reference() -> None:
    """They lead to the new place of the path."""
    place = "#/paths/~1orders~1{id}/get"
    links = ("paths", "/orders", "post", "responses", "201", "links")
    document = changed(SHOP, *links, to={"it": {"operationRef": place, "server": {"url": "https://x.example"}}})
    document["paths"]["/mine"] = {"get": {"responses": {"200": {"$ref": f"{place}/responses/200"}}}}
    found: Any = whole(part(document, "shop"))
    target = "#/paths/~1shop~1v1~1orders~1{id}/get"
    assert found["paths"]["/shop/v1/orders"]["post"]["responses"]["201"]["links"]["it"] == {"operationRef": target}
    assert found["paths"]["/shop/v1/mine"]["get"]["responses"]["200"] == {"$ref": f"{target}/responses/200"}


def test_names_that_are_not_allowed() -> None:
    """They become names that are, and stay different."""
    lists = [{"$ref": "#/definitions/List<A>"}, {"$ref": "#/definitions/List[A]"}]
    answer = {"description": "", "schema": {"allOf": lists}}
    swagger: Json = {
        "swagger": "2.0", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"get": {"responses": {"200": answer}}}},
        "definitions": {"List<A>": {"type": "object"}, "List[A]": {}},
    }  # fmt: skip
    made = Part("web", "/web", lifted(swagger))
    assert set(merged("T", [made])["components"]["schemas"]) == {"web.List_A_", "web.List_A__"}


@pytest.mark.parametrize(
    ("endpoint", "path", "names"),
    [
        (Endpoint("GET", "/users/{id}/pets/{pet}"), "/web/users/{id}/pets/{pet}", ["id", "pet"]),
        (Endpoint("POST", "/users?x=1", summary="Add"), "/web/users", []),
    ],
)
def test_without_a_document_one_is_made(endpoint: Endpoint, path: str, names: list[str]) -> None:
    """From methods and paths; what is no HTTP is left out."""
    document = inferred("web", [endpoint, endpoint, Endpoint("SEND", "light/on")])
    found = whole(Part("web", "/web", document))
    (item,) = found["paths"].values()
    assert list(found["paths"]) == [path]
    assert [it["name"] for it in item[endpoint.method.lower()].get("parameters", [])] == names


def test_nothing_is_valid_too() -> None:
    """Where no service has anything to say."""
    assert whole()["paths"] == {}

"""Swagger 2.0 as OpenAPI 3.0."""

from __future__ import annotations

from typing import Any

from nexus.registry.grammar import METHODS, Json
from nexus.registry.parsing import resolved

MOVED = {"definitions": "schemas", "parameters": "parameters", "responses": "responses"}
SCHEMA_KEYS = frozenset([
    "type", "format", "items", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "enum", "multipleOf",
])  # fmt: skip
FLOWS = {
    "implicit": "implicit", "password": "password", "application": "clientCredentials",
    "accessCode": "authorizationCode",
}  # fmt: skip


def from_swagger(old: Json) -> Json:
    """The whole document; what is malformed is left for the validator to name."""
    consumes, produces = _types(old, "consumes"), _types(old, "produces")
    new: Json = {"openapi": "3.0.3", "info": old.get("info"), "paths": {}}
    for path, item in _items(old.get("paths")):
        if path.startswith("/"):
            new["paths"][path] = _path(old, item, consumes, produces)
    new["components"] = _components(old, produces)
    base = str(old.get("basePath") or "")
    if base.strip("/"):
        new["servers"] = [{"url": "/" + base.strip("/")}]
    new |= {key: old[key] for key in ("security", "tags", "externalDocs") if key in old}
    found: Json = _moved(new)
    return found


def _types(node: Json, key: str) -> list[str]:
    found = node.get(key)
    return [str(it) for it in found] if isinstance(found, list) and found else ["application/json"]


def _items(node: Any) -> list[tuple[str, Json]]:
    return [(name, it) for name, it in node.items() if isinstance(it, dict)] if isinstance(node, dict) else []


def _moved(node: Any) -> Any:
    """References as they are in 3.0, and files as the binary texts that they are there."""
    if isinstance(node, list):
        return [_moved(it) for it in node]
    if not isinstance(node, dict):
        return node
    new = {key: it if key in ("example", "default", "enum") else _moved(it) for key, it in node.items()}
    reference = new.get("$ref")
    if isinstance(reference, str):
        root, _, rest = reference.removeprefix("#/").partition("/")
        new["$ref"] = f"#/components/{MOVED[root]}/{rest}" if root in MOVED else reference
    if new.get("type") == "file":
        new |= {"type": "string", "format": "binary"}
    if isinstance(new.get("discriminator"), str):
        new["discriminator"] = {"propertyName": new["discriminator"]}
    return new


def _components(old: Json, produces: list[str]) -> Json:
    parameters = {
        name: _parameter(it)
        for name, it in _items(old.get("parameters"))
        if it.get("in") not in ("body", "formData")
    }  # fmt: skip
    return {
        "schemas": old.get("definitions", {}),
        "parameters": parameters,
        "responses": {name: _response(it, produces) for name, it in _items(old.get("responses"))},
        "securitySchemes": {name: _scheme(it) for name, it in _items(old.get("securityDefinitions"))},
    }


def _path(old: Json, item: Json, consumes: list[str], produces: list[str]) -> Json:
    shared = [it for it in item.get("parameters", []) if isinstance(it, dict)]
    new: Json = {key: it for key, it in item.items() if key.startswith("x-")}
    for method in METHODS:
        operation = item.get(method)
        if isinstance(operation, dict):
            new[method] = _operation(old, operation, shared, consumes, produces)
    return new


def _operation(old: Json, operation: Json, shared: list[Json], consumes: list[str], produces: list[str]) -> Json:
    consumes = _types(operation, "consumes") if "consumes" in operation else consumes
    produces = _types(operation, "produces") if "produces" in operation else produces
    own = [it for it in operation.get("parameters", []) if isinstance(it, dict)]
    named = {(it.get("in"), it.get("name"), it.get("$ref")): it for it in (*shared, *own)}
    inlined = [_target(old, it) for it in named.values()]
    dropped = ("parameters", "consumes", "produces", "responses", "schemes")
    new = {key: it for key, it in operation.items() if key not in dropped}
    new["parameters"] = [_parameter(it) for it in inlined if it.get("in") not in ("body", "formData")]
    bodies = [it for it in inlined if it.get("in") == "body"]
    fields = [it for it in inlined if it.get("in") == "formData"]
    if bodies:
        content = {kind: {"schema": bodies[0].get("schema", {})} for kind in consumes}
        new["requestBody"] = {"content": content, "required": bool(bodies[0].get("required"))}
    elif fields:
        new["requestBody"] = _form(fields, consumes)
    new["responses"] = {str(code): _response(it, produces) for code, it in _items(operation.get("responses"))}
    return new


def _target(old: Json, parameter: Json) -> Json:
    reference = parameter.get("$ref")
    found = resolved(old, reference) if isinstance(reference, str) else parameter
    return found if isinstance(found, dict) else {}


def _form(fields: list[Json], consumes: list[str]) -> Json:
    files = any(it.get("type") == "file" for it in fields)
    kinds = [kind for kind in consumes if "form" in kind] or [
        "multipart/form-data" if files else "application/x-www-form-urlencoded"
    ]
    required = [it.get("name") for it in fields if it.get("required")]
    schema: Json = {"type": "object", "properties": {str(it.get("name")): _schema(it) for it in fields}}
    return {"content": {kind: {"schema": schema | ({"required": required} if required else {})} for kind in kinds}}


def _schema(parameter: Json) -> Json:
    found = {key: it for key, it in parameter.items() if key in SCHEMA_KEYS}
    if isinstance(found.get("items"), dict):
        found["items"] = _schema(found["items"])
    return found


def _parameter(old: Json) -> Json:
    kept = {key: it for key, it in old.items() if key not in SCHEMA_KEYS and key not in ("collectionFormat", "schema")}
    several = {"style": "form", "explode": True} if old.get("collectionFormat") == "multi" else {}
    return {**kept, **several, "schema": _schema(old)}


def _response(old: Json, produces: list[str]) -> Json:
    if "$ref" in old:
        return {"$ref": old["$ref"]}
    new = {key: it for key, it in old.items() if key == "description" or key.startswith("x-")}
    headers = {
        name: {"schema": _schema(it), **({"description": it["description"]} if "description" in it else {})}
        for name, it in _items(old.get("headers"))
    }
    if headers:
        new["headers"] = headers
    if isinstance(old.get("schema"), dict):
        new["content"] = {kind: {"schema": old["schema"]} for kind in produces}
    return new


def _scheme(old: Json) -> Json:
    if old.get("type") == "basic":
        return {"type": "http", "scheme": "basic"}
    if old.get("type") != "oauth2":
        return old
    flow: Json = {key: old[key] for key in ("authorizationUrl", "tokenUrl") if key in old}
    flow["scopes"] = old.get("scopes", {})
    return {"type": "oauth2", "flows": {FLOWS.get(str(old.get("flow")), "implicit"): flow}}

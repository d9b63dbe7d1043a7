"""The OpenAPI 3.1 document, made from the table of operations."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from nexus.http.commands import KEY_LENGTH_MAX
from nexus.http.operation import Operation
from nexus.http.problems import MEDIA_TYPE, ProblemDocument

Json = dict[str, Any]

IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "description": "Asking twice with the same key is the same as asking once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH_MAX, "pattern": "^[A-Za-z0-9._:-]+$"},
}  # fmt: skip
LAST_EVENT_ID: Json = {
    "name": "Last-Event-ID", "in": "header", "required": False,
    "description": "Resume after this position; it goes before the query key `after`.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,12}$"},
}  # fmt: skip
TAGS = {
    "status": "What is the matter now, or was at any moment.",
    "services": "What is supervised.",
    "ports": "Who has which port.",
    "endpoints": "What the services can be asked.",
    "history": "Everything that happened, and why.",
    "tokens": "Who may ask.",
}


def document(operations: Sequence[Operation], version: str) -> Json:
    """The whole document."""
    structs = [kind for it in operations for kind in (it.place, it.query, it.body, it.answer) if _is_struct(kind)]
    _, components = msgspec.json.schema_components(
        [*structs, ProblemDocument], ref_template="#/components/schemas/{name}"
    )
    schemas = {name: schema for name, schema in components.items() if name not in _parameter_names(operations)}
    paths: Json = {}
    for it in operations:
        paths.setdefault(it.path, {})[it.method.lower()] = _operation(it, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Nexus",
            "version": version,
            "summary": "The history of one machine's services, and what may be asked of their supervisor.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`nexus token show` prints yours."}
            },
        },
    }


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _parameter_names(operations: Sequence[Operation]) -> set[str]:
    return {kind.__name__ for it in operations for kind in (it.place, it.query)}


def _operation(it: Operation, components: Json) -> Json:
    parameters = [*_parameters(it.place, "path", components), *_parameters(it.query, "query", components)]
    if it.sort == "command":
        parameters.append(IDEMPOTENCY_KEY)
    if it.sort == "stream":
        parameters.append(LAST_EVENT_ID)
    responses = {str(it.status): _answer(it)} | {str(status): _problem(status) for status in it.statuses()}
    found: Json = {
        "operationId": it.name, "summary": it.summary, "tags": [it.tag], "parameters": parameters,
        "responses": responses, "x-role": it.role or "anybody",
    }  # fmt: skip
    if it.role is None:
        found["security"] = []
    if it.body:
        schema = {"$ref": f"#/components/schemas/{it.body.__name__}"}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _parameters(kind: type[msgspec.Struct], where: str, components: Json) -> list[Json]:
    """The fields of a struct as parameters; null is not sent, it is left out."""
    schema = components.get(kind.__name__, {})
    found = []
    for name, field in schema.get("properties", {}).items():
        options = [it for it in field.get("anyOf", [field]) if it.get("type") != "null"]
        own = {key: value for key, value in field.items() if key not in ("anyOf", "description", "default")}
        bare = {key: value for key, value in options[0].items() if key not in ("description", "default")}
        described = field.get("description") or options[0].get("description", "")
        one: Json = {"name": name, "in": where, "required": where == "path", "schema": {**own, **bare}}
        if described:
            one["description"] = described
        if field.get("default") is not None:
            one["schema"]["default"] = field["default"]
        found.append(one)
    return found


def _answer(it: Operation) -> Json:
    description = HTTPStatus(it.status).phrase
    if it.media_type != "application/json":
        kinds = (it.media_type, *it.also)
        return {"description": description, "content": {kind: _text(kind) for kind in kinds}}
    schema = {"$ref": f"#/components/schemas/{it.answer.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text(media_type: str) -> Json:
    """A body that is no JSON: text, or bytes of which nothing can be said."""
    return {} if media_type == "application/zip" else {"schema": {"type": "string"}}


def _problem(status: int) -> Json:
    schema = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    return {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}

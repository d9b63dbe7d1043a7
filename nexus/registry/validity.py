"""Whether a document is valid OpenAPI 3.1, by the schema of the OpenAPI Initiative and that of JSON Schema itself."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from nexus.registry.errors import UnusableError
from nexus.registry.grammar import Json, rewritten

SCHEMA = Path(__file__).with_name("openapi-3.1.json")
"""https://spec.openapis.org/oas/3.1/schema/2022-10-07, Apache License 2.0."""


@functools.cache
def _validator() -> Any:
    return jsonschema_rs.Draft202012Validator(msgspec.json.decode(SCHEMA.read_bytes()), mask="a value of it")


def check(document: Json) -> None:
    """Raises UnusableError that names the first place which is wrong."""
    for error in _validator().iter_errors(document):
        raise UnusableError(f"it is no valid OpenAPI at {_place(error)}: {error.message}")
    for schema in schemas(document):
        if not jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}):
            raise UnusableError(f"a schema of it is none: {sorted(schema)}")


def _place(error: Any) -> str:
    return "/".join(str(part) for part in error.instance_path) or "its top"


def schemas(document: Json) -> list[Json]:
    """The outermost schemas of a document."""
    found: list[Json] = []

    def see(node: Json, kind: str) -> Json:
        if kind in ("parameter", "header", "media") and isinstance(node.get("schema"), dict):
            found.append(node["schema"])
        elif kind == "components" and isinstance(node.get("schemas"), dict):
            found.extend(it for it in node["schemas"].values() if isinstance(it, dict))
        return node

    rewritten(document, "document", see)
    return found

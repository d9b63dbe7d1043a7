"""OpenAPI 3.0 and 3.1 as 3.1, and what many documents get wrong put right."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from nexus.registry.errors import UnusableError
from nexus.registry.grammar import Json, operations, references, rewritten
from nexus.registry.parsing import resolved
from nexus.registry.swagger import from_swagger

VERSION = "3.1.0"


def lifted(document: Json) -> Json:
    """The document as OpenAPI 3.1; raises UnusableError for what is none."""
    version = str(document.get("openapi") or document.get("swagger") or "")
    if version.startswith("2"):
        document = from_swagger(document)
        version = "3.0"
    if not version.startswith(("3.0", "3.1")):
        raise UnusableError(f"it is OpenAPI {version[:20] or 'of no version'}; 2.0, 3.0 and 3.1 are understood")
    if not isinstance(document.get("paths", {}), dict):
        raise UnusableError("its paths are no object")
    if version.startswith("3.0"):
        document = rewritten(document, "document", _from_3_0)
    document = rewritten(document, "document", _mended)
    document["openapi"] = VERSION
    if not any(document.get(key) for key in ("paths", "components", "webhooks")):
        document["paths"] = {}
    _drop_repeated_names(document)
    _check_references(document)
    return document


def _check_references(document: Json) -> None:
    """What is referred to is a component or stands in a path: only those have a place in a merged document."""
    for reference in references(document):
        if not reference.startswith(("#/components/", "#/paths/")) or resolved(document, reference) is None:
            raise UnusableError(f"the reference {reference[:80]} leads nowhere")


def _from_3_0(node: Json, kind: str) -> Json:
    return _schema_of_3_0(node) if kind == "schema" else node


def _schema_of_3_0(schema: Json) -> Json:
    """`nullable` and the flags of limits as JSON Schema writes them; beside a reference nothing counted."""
    if isinstance(schema.get("$ref"), str):
        return {"$ref": schema["$ref"]}
    if schema.pop("nullable", False) is True and "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema["type"] = [*kinds, *([] if "null" in kinds else ["null"])]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    for flag, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(flag), bool):
            exclusive = schema.pop(flag)
            if exclusive and limit in schema:
                schema[flag] = schema.pop(limit)
    return schema


def _mended(node: Json, kind: str) -> Json:
    """What is missing again and again and has one obvious value; an absent description is an empty one."""
    if "$ref" in node:
        return node
    if kind == "response":
        node.setdefault("description", "")
    elif kind == "parameter" and node.get("in") == "path":
        node["required"] = True
    elif kind == "schema":
        _mend_schema(node)
    elif kind == "link":
        node.pop("server", None)
    elif kind == "document":
        info = node["info"] if isinstance(node.get("info"), dict) else {}
        info["title"], info["version"] = str(info.get("title") or ""), str(info.get("version") or "")
        node["info"] = info
    return node


def _mend_schema(schema: Json) -> None:
    if isinstance(schema.get("required"), bool) or schema.get("required") == []:
        del schema["required"]
    if isinstance(schema.get("required"), list):
        schema["required"] = list(dict.fromkeys(schema["required"]))
    if isinstance(schema.get("examples"), dict):
        schema["examples"] = list(schema["examples"].values())
    for key in ("$id", "$schema", "$anchor"):
        schema.pop(key, None)


def _drop_repeated_names(document: Json) -> None:
    """An operation whose name another one has already goes without; links that name it would be wrong anyway."""
    seen: set[str] = set()
    for _, _, operation in operations(document):
        name = operation.get("operationId")
        if isinstance(name, str) and name in seen:
            del operation["operationId"]
        elif isinstance(name, str):
            seen.add(name)


def base_path(document: Json) -> str:
    """The path that all paths of a document begin with, by its first server: `/api/v1`, or nothing."""
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
    url = str(first.get("url", ""))
    variables: Any = first.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    try:
        path = urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""
    return path if path.startswith("/") and "{" not in path else ""

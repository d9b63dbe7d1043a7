"""One OpenAPI 3.1 document of many: everything that has a name is named after its service first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from events.catalog import Endpoint
from nexus.registry.grammar import METHODS, Json, rewritten
from nexus.registry.lifting import VERSION, base_path

NOT_A_NAME = re.compile(r"[^A-Za-z0-9._-]")
PLACE = re.compile(r"\{([^{}/]+)\}")
SECTIONS = (
    "schemas", "responses", "parameters", "examples", "requestBodies", "headers", "securitySchemes", "links",
    "callbacks", "pathItems",
)  # fmt: skip


class Part(msgspec.Struct, frozen=True):
    """The document of a service, as OpenAPI 3.1, and the path by which the gateway leads to it."""

    service: str
    prefix: str
    document: Json


def merged(title: str, parts: Iterable[Part], servers: Iterable[str] = ()) -> Json:
    """The whole: valid where each part is, with every operation of each."""
    paths: Json = {}
    components: dict[str, Json] = {}
    tags: list[Json] = []
    for part in parts:
        own = renamed(part)
        paths |= own["paths"]
        tags += own["tags"]
        for section, named in own["components"].items():
            components.setdefault(section, {}).update(named)
    found: Json = {"openapi": VERSION, "info": {"title": title, "version": "1"}, "paths": paths}
    found["components"], found["tags"] = components, tags
    if urls := [{"url": url} for url in servers]:
        found["servers"] = urls
    return found


def renamed(part: Part) -> Json:
    """The paths, components and tags of one part under names that no other part has."""
    names = _Names(part)
    document = rewritten(part.document, "document", names.change)
    shared = names.security(part.document.get("security"))
    paths = {
        names.path(path): _item(part, item, shared)
        for path, item in document.get("paths", {}).items()
        if path.startswith("/")
    }  # fmt: skip
    given = document.get("components", {})
    components = {
        section: {names.component(section, name): it for name, it in given[section].items()}
        for section in SECTIONS
        if isinstance(given.get(section), dict)
    }
    names.complete_discriminators(components.get("schemas", {}))
    return {"paths": paths, "components": components, "tags": _tags(part)}


def _item(part: Part, item: Any, shared: list[Json] | None) -> Any:
    """A path without servers of its own; what is asked of all operations is asked of each."""
    if not isinstance(item, dict):
        return item
    new = {key: it for key, it in item.items() if key != "servers"}
    for method in METHODS:
        operation = new.get(method)
        if isinstance(operation, dict):
            operation = {key: it for key, it in operation.items() if key != "servers"}
            if shared is not None and "security" not in operation:
                operation["security"] = shared
            operation["tags"] = [f"{part.service}/{tag}" for tag in operation.get("tags", [])] or [part.service]
            new[method] = {**operation, "x-nexus-service": part.service}
    return new


def _tags(part: Part) -> list[Json]:
    info = part.document.get("info", {})
    found: dict[str, Json] = {
        part.service: {"name": part.service, "description": str(info.get("description") or info.get("title") or "")}
    }
    for tag in part.document.get("tags", []):
        name = f"{part.service}/{tag['name']}"
        found[name] = {**tag, "name": name}
    return list(found.values())


class _Names:
    """What the names of one part become."""

    def __init__(self, part: Part) -> None:
        self.service, self.front = part.service, part.prefix + base_path(part.document)
        given = part.document.get("components", {})
        self.schemas = given.get("schemas", {}) if isinstance(given.get("schemas"), dict) else {}
        self._clean: dict[tuple[str, str], str] = {}
        self._taken: set[tuple[str, str]] = set()

    def change(self, node: Json, kind: str) -> Json:
        """The same object with its references and names in the new form."""
        reference = node.get("$ref")
        if isinstance(reference, str):
            node["$ref"] = self.reference(reference)
        if kind == "schema" and isinstance(node.get("discriminator"), dict):
            node["discriminator"] = self._discriminator(node, node["discriminator"])
        elif kind == "operation":
            if isinstance(node.get("operationId"), str):
                node["operationId"] = f"{self.service}.{node['operationId']}"
            if "security" in node:
                node["security"] = self.security(node["security"])
        elif kind == "link":
            if isinstance(node.get("operationId"), str):
                node["operationId"] = f"{self.service}.{node['operationId']}"
            if isinstance(node.get("operationRef"), str) and node["operationRef"].startswith("#/"):
                node["operationRef"] = self.reference(node["operationRef"])
        return node

    def reference(self, reference: str) -> str:
        """Where a reference of the part leads in the whole."""
        parts = reference.split("/")
        if parts[:2] == ["#", "components"] and len(parts) > 3:
            parts[3] = self.component(parts[2], parts[3].replace("~1", "/").replace("~0", "~"))
        elif parts[:2] == ["#", "paths"] and len(parts) > 2:
            path = parts[2].replace("~1", "/").replace("~0", "~")
            parts[2] = self.path(path).replace("~", "~0").replace("/", "~1")
        return "/".join(parts)

    def component(self, section: str, name: str) -> str:
        """The new name of a component: one that is allowed, and no other one's."""
        key = (section, name)
        if key not in self._clean:
            clean = f"{self.service}.{NOT_A_NAME.sub('_', name)}"
            while (section, clean) in self._taken:
                clean += "_"
            self._taken.add((section, clean))
            self._clean[key] = clean
        return self._clean[key]

    def path(self, path: str) -> str:
        """The path by which the gateway leads to it."""
        return self.front + path

    def security(self, needs: Any) -> list[Json] | None:
        """What has to be shown, by the new names of the schemes; None where nothing is said."""
        if not isinstance(needs, list):
            return None
        return [{self.component("securitySchemes", name): it for name, it in need.items()} for need in needs]

    def _schema(self, name: str) -> str:
        return f"#/components/schemas/{self.component('schemas', name)}"

    def _discriminator(self, schema: Json, discriminator: Json) -> Json:
        """The same with a mapping: what was found by the schemas' own names would not be found any more."""
        mapping = discriminator.get("mapping")
        new: Json = {}
        for value, target in mapping.items() if isinstance(mapping, dict) else ():
            known = target in self.schemas
            new[value] = self._schema(target) if known else self.reference(str(target))
        targets = set(new.values())
        for option in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
            reference = option.get("$ref", "") if isinstance(option, dict) else ""
            if reference.startswith("#/components/schemas/") and reference not in targets:
                new.setdefault(self._original(reference), reference)
        return {**discriminator, **({"mapping": new} if new else {})}

    def _original(self, reference: str) -> str:
        clean = reference.rpartition("/")[2]
        return next(name for (section, name), it in self._clean.items() if (section, it) == ("schemas", clean))

    def complete_discriminators(self, schemas: Json) -> None:
        """Schemas that are told apart by who is built on them get their mapping too."""
        for name, it in self.schemas.items():
            bases = it.get("allOf", []) if isinstance(it, dict) else []
            for base in bases if isinstance(bases, list) else ():
                target = base.get("$ref", "").rpartition("/")[2] if isinstance(base, dict) else ""
                schema = schemas.get(self.component("schemas", target)) if target in self.schemas else None
                if schema and isinstance(schema.get("discriminator"), dict):
                    mapping = schema["discriminator"].setdefault("mapping", {})
                    if self._schema(name) not in mapping.values():
                        mapping.setdefault(name, self._schema(name))


def inferred(service: str, endpoints: Iterable[Endpoint]) -> Json:
    """A document for endpoints that are only known by method and path."""
    paths: Json = {}
    for it in endpoints:
        method, path = it.method.lower(), it.path.partition("?")[0]
        if method in METHODS and path.startswith("/"):
            names = list(dict.fromkeys(PLACE.findall(path)))
            parameters = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ]
            operation: Json = {"responses": {"default": {"description": ""}}}
            operation |= {"parameters": parameters} if parameters else {}
            operation |= {"summary": it.summary} if it.summary else {}
            paths.setdefault(path, {}).setdefault(method, operation)
    return {"openapi": VERSION, "info": {"title": service, "version": ""}, "paths": paths}

"""From what a service served to plain data: JSON or YAML, of a bounded size, that refers to nothing outside itself."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import unquote

import msgspec
import yaml

from nexus.registry.errors import UnusableError
from nexus.registry.grammar import Json

BYTES_MAX = 5_000_000
DEPTH_MAX = 100
NODES_MAX = 500_000
REF_CHAIN_MAX = 32


class _Loader(yaml.CSafeLoader):
    """YAML with the values of JSON: a date is a text."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def parsed(raw: bytes) -> Json:
    """The object in `raw`; raises UnusableError for anything else."""
    if len(raw) > BYTES_MAX:
        raise UnusableError(f"it is larger than {BYTES_MAX // 1_000_000} MB")
    found = _bounded(_decoded(raw), 0, [NODES_MAX])
    if not isinstance(found, dict):
        raise UnusableError("it is no object")
    _check_references(found)
    return found


def _decoded(raw: bytes) -> Any:
    text = raw.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        if text.startswith((b"{", b"[")):
            return msgspec.json.decode(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader with fewer types
    except (ValueError, TypeError, RecursionError, UnicodeError, yaml.YAMLError) as error:
        kind = "YAML" if isinstance(error, yaml.YAMLError) else "JSON" if text.startswith(b"{") else "JSON or YAML"
        nested = isinstance(error, RecursionError)
        raise UnusableError("it is nested too deeply" if nested else f"it is no valid {kind}") from None


def _bounded(value: Any, depth: int, left: list[int]) -> Any:
    """The same as a tree of JSON values; `left` counts what may still come, so that a small text can't grow large."""
    left[0] -= 1
    if left[0] < 0:
        raise UnusableError(f"it has more than {NODES_MAX} values")
    if depth > DEPTH_MAX:
        raise UnusableError(f"it is nested more than {DEPTH_MAX} deep")
    if isinstance(value, dict):
        return {_key(key): _bounded(it, depth + 1, left) for key, it in value.items()}
    if isinstance(value, list):
        return [_bounded(it, depth + 1, left) for it in value]
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise UnusableError(f"it has a value that JSON does not have, a {type(value).__name__}")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool) or not isinstance(key, int | float):
        raise UnusableError(f"it has a key that is no text, a {type(key).__name__}")
    return str(key)


# -- references ----------------------------------------------------------------------------------


def _check_references(document: Json) -> None:
    """Each reference leads to a place in this document; nothing else is ever fetched."""
    for reference in references(document):
        if not reference.startswith("#/"):
            raise UnusableError(f"it refers to what is outside of it or has no path: {reference[:80]}")
        target, steps = resolved(document, reference), 0
        while isinstance(target, dict) and isinstance(target.get("$ref"), str):
            target, steps = resolved(document, target["$ref"]), steps + 1
            if steps > REF_CHAIN_MAX:
                raise UnusableError(f"{reference[:80]} leads from reference to reference, more than {REF_CHAIN_MAX}")
        if target is None:
            raise UnusableError(f"the reference {reference[:80]} leads nowhere")


def references(node: Any) -> list[str]:
    """Every `$ref` of a tree that is not data of an example."""
    found, left = list[str](), [node]
    while left:
        it = left.pop()
        if isinstance(it, dict):
            reference = it.get("$ref")
            if isinstance(reference, str):
                found.append(reference)
            left += [value for key, value in it.items() if key not in DATA and not key.startswith("x-")]
        elif isinstance(it, list):
            left += it
    return found


DATA = frozenset(["example", "examples", "default", "enum", "const", "mapping"])


def resolved(document: Json, reference: str) -> Any:
    """What stands where a `#/…` reference leads, None where nothing does."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict):
            found = found.get(key)
        else:
            return None
    return found

"""What changed between two documents of one service, and what of it breaks its callers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from events.catalog import EndpointSource
from nexus.registry.errors import plain
from nexus.registry.grammar import Json, operations
from nexus.registry.lifting import base_path
from nexus.registry.parsing import resolved
from nexus.registry.reading import Reading

REF_CHAIN_MAX = 8
TEXT_LENGTH_MAX = 160
Note = tuple[bool, str]
"""Whether it breaks callers, and what it is in words that follow the endpoint's name."""


class Change(msgspec.Struct, frozen=True):
    """An endpoint that is new, gone or different; `notes` say how, `breaking` those that break callers."""

    endpoint: str
    change: Literal["added", "removed", "changed"]
    breaking: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def compared(source: EndpointSource, before: Json, after: Json) -> list[Change]:
    """Every endpoint that differs, in the order of the newer document, those that are gone last."""
    if source != "openapi":
        return []
    was, now = _named(before), _named(after)
    found = [_difference(name, was.get(name), it) for name, it in now.items()]
    gone = [Change(name, "removed", ("it is gone",)) for name in was if name not in now]
    return [it for it in (*found, *gone) if it is not None]


def named(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The same where only the names of the endpoints are known."""
    added = [Change(name, "added") for name in after if name not in before]
    return [*added, *(Change(name, "removed", ("it is gone",)) for name in before if name not in after)]


def broken(changes: list[Change]) -> list[str]:
    """What callers can't rely on any more, a sentence for each."""
    return [plain(f"{it.endpoint}: {what}", TEXT_LENGTH_MAX) for it in changes for what in it.breaking]


def names(reading: Reading) -> dict[str, None]:
    """The endpoints of a document as people write them."""
    return dict.fromkeys(f"{it.method} {it.path}{f' {it.name}' if it.name else ''}" for it in reading.endpoints)


class _Operation(msgspec.Struct):
    """An operation with the document that its references lead into."""

    document: Json
    item: Json
    own: Json

    def target(self, node: Any) -> Json:
        """The object itself, or the one that it refers to."""
        for _ in range(REF_CHAIN_MAX):
            if not (isinstance(node, dict) and isinstance(node.get("$ref"), str)):
                break
            node = resolved(self.document, node["$ref"])
        return node if isinstance(node, dict) else {}

    def parameters(self) -> dict[tuple[str, str], Json]:
        """The parameters by place and name, those of the path included."""
        given = [*self.item.get("parameters", []), *self.own.get("parameters", [])]
        found = map(self.target, given)
        return {(str(it.get("in")), str(it.get("name"))): it for it in found}

    def secured(self) -> bool:
        """Whether nobody may ask without saying who they are."""
        needs: list[Json] = self.own.get("security", self.document.get("security", [])) or []
        return bool(needs) and all(needs)


def _named(document: Json) -> dict[str, _Operation]:
    base = base_path(document)
    return {
        f"{method.upper()} {base}{path}": _Operation(document, document["paths"][path], operation)
        for path, method, operation in operations(document)
    }


def _difference(name: str, before: _Operation | None, after: _Operation) -> Change | None:
    if before is None:
        return Change(name, "added")
    notes = list(dict.fromkeys([
        *_security(before, after), *_parameters(before, after), *_body(before, after), *_answers(before, after)
    ]))  # fmt: skip
    if not notes and before.own == after.own:
        return None
    breaking = tuple(text for breaks, text in notes if breaks)
    others = tuple(text for breaks, text in notes if not breaks)
    return Change(name, "changed", breaking, others or (() if breaking else ("its description",)))


def _security(before: _Operation, after: _Operation) -> Iterator[Note]:
    if before.secured() != after.secured():
        yield after.secured(), "it needs a login now" if after.secured() else "it needs no login any more"


def _parameters(before: _Operation, after: _Operation) -> Iterator[Note]:
    was, now = before.parameters(), after.parameters()
    for (where, name), parameter in now.items():
        words, old = f"the {where} parameter {name}", was.get((where, name))
        required = parameter.get("required") is True
        if where == "path" and old is None:
            continue  # the place in the path is the same, whatever it is called
        if old is None:
            yield required, f"{words} is new{' and required' if required else ''}"
            continue
        if required != (old.get("required") is True):
            yield required, f"{words} is {'required now' if required else 'not required any more'}"
        yield from _taken(_Pair(before, after), old.get("schema"), parameter.get("schema"), words)
    for where, name in was:
        if (where, name) not in now and where != "path":
            yield False, f"the {where} parameter {name} is gone"


def _body(before: _Operation, after: _Operation) -> Iterator[Note]:
    was, now = before.target(before.own.get("requestBody")), after.target(after.own.get("requestBody"))
    if now and now.get("required") and not was.get("required"):
        yield True, "a body is required now"
    kinds, new = _content(was), _content(now)
    for kind in kinds:
        if now and kind not in new:
            yield True, f"it does not take {kind} any more"
        elif kind in new:
            yield from _taken(_Pair(before, after), kinds[kind].get("schema"), new[kind].get("schema"), "the body")


def _content(node: Json) -> dict[str, Json]:
    found = node.get("content")
    return {kind: it for kind, it in found.items() if isinstance(it, dict)} if isinstance(found, dict) else {}


class _Pair(msgspec.Struct):
    """An operation before and after, and the pairs of schemas that have been compared for it."""

    before: _Operation
    after: _Operation
    seen: set[tuple[int, int]] = msgspec.field(default_factory=set)

    def schemas(self, was: Any, now: Any) -> tuple[Json, Json] | None:
        """Both schemas where there is something to compare that was not compared yet."""
        old, new = self.before.target(was), self.after.target(now)
        if not old or not new or (id(old), id(new)) in self.seen:
            return None
        self.seen.add((id(old), id(new)))
        return old, new


def _taken(pair: _Pair, was: Any, now: Any, words: str) -> Iterator[Note]:
    """What a caller sends: nothing more may be asked for."""
    found = pair.schemas(was, now)
    if found is None:
        return
    old, new = found
    if not _kinds(old) <= _kinds(new):
        yield True, f"{words} is {_said(new)} now, not {_said(old)}"
    lost = [it for it in old.get("enum", []) if it not in new.get("enum", [it])]
    if lost or ("enum" in new and "enum" not in old):
        yield True, f"{words} takes fewer values"
    required = set(new.get("required", [])) - set(old.get("required", []))
    for name in sorted(required):
        yield True, f"{words} needs {name} now"
    yield from _within(pair, old, new, words, _taken)


def _answers(before: _Operation, after: _Operation) -> Iterator[Note]:
    was, now = before.own.get("responses", {}), after.own.get("responses", {})
    for code in was:
        if code not in now and code.startswith("2"):
            yield True, f"it does not answer {code} any more"
    for code in now:
        if code not in was:
            yield False, f"it may answer {code}"
            continue
        old, new = _content(before.target(was[code])), _content(after.target(now[code]))
        for kind in old:
            if kind not in new and code.startswith("2"):
                yield True, f"its answer is not {kind} any more"
            elif kind in new:
                yield from _given(_Pair(before, after), old[kind].get("schema"), new[kind].get("schema"), "its answer")


def _given(pair: _Pair, was: Any, now: Any, words: str) -> Iterator[Note]:
    """What a caller gets: nothing may be missing."""
    found = pair.schemas(was, now)
    if found is None:
        return
    old, new = found
    if not _kinds(new) <= _kinds(old):
        yield True, f"{words} is {_said(new)} now, not {_said(old)}"
    for name in old.get("properties", {}):
        if new.get("properties") and name not in new["properties"]:
            yield True, f"{words} has no {name} any more"
    for name in new.get("properties", {}):
        if name not in old.get("properties", {}):
            yield False, f"{words} has {name}"
    yield from _within(pair, old, new, words, _given)


def _within(pair: _Pair, old: Json, new: Json, words: str, compare: Compare) -> Iterator[Note]:
    for name, it in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield from compare(pair, it, new["properties"][name], f"{name} of {words}")
    if "items" in old and "items" in new:
        yield from compare(pair, old["items"], new["items"], f"each of {words}")


Compare = Callable[[_Pair, Any, Any, str], Iterator[Note]]

KINDS = frozenset(["null", "boolean", "integer", "number", "string", "array", "object"])


def _kinds(schema: Json) -> frozenset[str]:
    """The kinds of values that a schema allows; a whole number is a number."""
    given = schema.get("type", list(KINDS))
    kinds = frozenset([given] if isinstance(given, str) else given)
    return kinds | {"integer"} if "number" in kinds else kinds


def _said(schema: Json) -> str:
    given = schema.get("type", "anything")
    return given if isinstance(given, str) else " or ".join(given)

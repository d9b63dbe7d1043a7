"""Paths as they were asked for, and the paths with places that they come from: fixed texts go before places."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from projections.paths import Pattern, pattern, takes

IDENTITY = re.compile(
    r"[0-9]+"  # a number
    r"|[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"  # a UUID
    r"|(?=.*[0-9])[0-9a-f]{8,}"  # a digest or another hexadecimal name
    r"|(?=.*[0-9])[0-9A-HJKMNP-TV-Z]{26}"  # a ULID
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.Z+-]+)?"  # a day or a moment
    r"|[^@/]+@[^@/]+\.[^@/]+"  # a mail address
    r"|(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_-]{16,}",  # a token or the like
    re.IGNORECASE,
)
ALIKE_MIN = 12
"""So many texts at one place, with the same below them, are values; fewer are names."""


def infer_templates(paths: Iterable[str]) -> list[str]:
    """The templates that `paths` come from, sorted: `/users/{user_id}` for `/users/1` and `/users/2`.

    A text is a value where it looks like one, and where very many stand at one place; others beside them stay.
    """
    tree: _Tree = {}
    for path in paths:
        node = tree
        for part in path.partition("?")[0].removeprefix("/").split("/"):
            node = node.setdefault(part, {})
        node[_END] = {}
    return sorted({"/" + "/".join(parts) for parts in _templates(tree, "")})


_Tree = dict[str, "_Tree"]
_END = "\n"


def _templates(node: _Tree, last: str) -> list[tuple[str, ...]]:
    values = [name for name in node if name != _END and IDENTITY.fullmatch(name)]
    names = [name for name in node if name != _END and name not in values]
    values += _many_alike(node, names)
    found: list[tuple[str, ...]] = [()] if _END in node else []
    for name in names:
        if name not in values:
            found += [(name, *rest) for rest in _templates(node[name], name)]
    if values:
        merged: _Tree = {}
        for name in values:
            _merge(merged, node[name])
        place = f"{{{_name(last)}}}"
        found += [(place, *rest) for rest in _templates(merged, "")]
    return found


def _many_alike(node: _Tree, names: list[str]) -> list[str]:
    """The names that are values for being too many; one that leads on otherwise than most is a name."""
    shapes = Counter(_shape(node[name]) for name in names)
    many = {shape for shape, count in shapes.items() if count >= ALIKE_MIN}
    return [name for name in names if _shape(node[name]) in many]


def _shape(node: _Tree) -> tuple[str, ...]:
    """What stands below a place, values left out."""
    return tuple(sorted({"{}" if IDENTITY.fullmatch(name) else name for name in node}))


def _merge(into: _Tree, other: _Tree) -> None:
    for name, below in other.items():
        _merge(into.setdefault(name, {}), below)


def _name(last: str) -> str:
    """What a place is called: by the text before it, of many one."""
    word = re.sub(r"[^a-z0-9]+", "_", last.lower()).strip("_")
    one = f"{word[:-3]}y" if word.endswith("ies") else word[:-1] if word.endswith("s") and len(word) > 3 else word
    return f"{one}_id" if one else "id"


class Matcher:
    """Finds the template that a request is for: of those that take it, the most particular one."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._fixed: dict[str, str] = {}
        self._varying: dict[int, list[tuple[Pattern, str]]] = {}
        self._rests: list[tuple[Pattern, str]] = []
        for template in templates:
            given = pattern(template)
            if given.rest:
                self._rests.append((given, template))
            elif all(segment.rank == 0 for segment in given.segments):
                self._fixed[template] = template
            else:
                self._varying.setdefault(len(given.segments), []).append((given, template))
        for group in (*self._varying.values(), self._rests):
            group.sort(key=lambda one: (one[0].ranks, one[1]))

    def match(self, path: str) -> str | None:
        """The template of a path, None where no one takes it; its query does not count."""
        path = path.partition("?")[0]
        if path in self._fixed:
            return self._fixed[path]
        size = path.rstrip("/").count("/")
        candidates = [*self._varying.get(size, []), *self._rests]
        return next((template for given, template in candidates if takes(given, path)), None)

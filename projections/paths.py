"""Paths with places for what varies: which requests they take, and where two of them want the same one.

A place is `{name}`, alone or in the middle of a segment; `{name:path}`, `{name*}`, `{+name}` and `*` at the end take
all that follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

PLACE = re.compile(r"\{[^{}]*\}")
REST = re.compile(r"\{[^{}]*(?::path|\*)\}|\{[*+][^{}]*\}|\*\*?")
ANY = "*"
"""The method of a route that takes every method."""

Kind = Literal["duplicate", "ambiguous", "trailing slash", "shadow", "prefix"]
PAIRS_MAX = 1_000
"""More conflicts than these are not looked for: nobody reads them."""


class Segment(msgspec.Struct, frozen=True):
    """What may stand between two slashes: `rank` is 0 for a fixed text, 1 where a place is in it, 2 for any text."""

    rank: int
    before: str = ""
    after: str = ""

    def takes(self, text: str) -> bool:
        """Whether a text may stand here."""
        if self.rank == 0:
            return text == self.before
        return len(text) > len(self.before) + len(self.after) and (
            text.startswith(self.before) and text.endswith(self.after)
        )

    def common(self, other: Segment) -> str | None:
        """A text that both take, None where there is none."""
        if self.rank == 0:
            return self.before if other.takes(self.before) else None
        if other.rank == 0:
            return other.before if self.takes(other.before) else None
        before, after = max(self.before, other.before, key=len), max(self.after, other.after, key=len)
        text = f"{before}x{after}"
        return text if self.takes(text) and other.takes(text) else None

    def covers(self, other: Segment) -> bool:
        """Whether it takes whatever the other one takes."""
        if self.rank == 0 or other.rank == 0:
            return other.rank == 0 and self.takes(other.before)
        return other.before.startswith(self.before) and other.after.endswith(self.after)


class Pattern(msgspec.Struct, frozen=True):
    """A path taken apart; `rest` takes all that follows, `slash` says that it ends with one."""

    segments: tuple[Segment, ...]
    rest: bool = False
    slash: bool = False

    @property
    def ranks(self) -> tuple[int, ...]:
        """How particular it is: what is fixed earlier goes first, what takes all that follows last."""
        return (*(segment.rank for segment in self.segments), *((3,) if self.rest else ()))


def pattern(path: str) -> Pattern:
    """A path taken apart."""
    parts = path.partition("?")[0].removeprefix("/").split("/")
    slash = len(parts) > 1 and parts[-1] == ""
    parts = parts[:-1] if parts[-1] == "" else parts
    rest = bool(parts) and REST.fullmatch(parts[-1]) is not None
    return Pattern(tuple(map(_segment, parts[:-1] if rest else parts)), rest, slash)


def _segment(text: str) -> Segment:
    places = list(PLACE.finditer(text))
    if not places:
        return Segment(0, text)
    before, after = text[: places[0].start()], text[places[-1].end() :]
    return Segment(1 if before or after else 2, before, after)


def takes(given: Pattern, path: str) -> bool:
    """Whether a request for `path` is one for the pattern."""
    parts = path.partition("?")[0].removeprefix("/").split("/")
    slash = len(parts) > 1 and parts[-1] == ""
    parts = parts[:-1] if parts[-1] == "" else parts
    size = len(given.segments)
    enough = len(parts) >= size if given.rest else len(parts) == size and slash == given.slash
    return enough and all(segment.takes(part) for segment, part in zip(given.segments, parts, strict=False))


def witness(one: Pattern, other: Pattern) -> str | None:
    """A path that both take, None where there is none."""
    short, long = (one, other) if len(one.segments) <= len(other.segments) else (other, one)
    if len(short.segments) < len(long.segments) and not short.rest:
        return None
    if not (one.rest or other.rest) and one.slash != other.slash:
        return None
    texts = []
    for first, second in zip(short.segments, long.segments, strict=False):
        text = first.common(second)
        if text is None:
            return None
        texts.append(text)
    texts += [_example(segment) for segment in long.segments[len(short.segments) :]]
    slash = "/" if texts and not (one.rest and other.rest) and (one.slash or other.slash) else ""
    return f"/{'/'.join(texts)}{slash}"


def _example(segment: Segment) -> str:
    return segment.before if segment.rank == 0 else f"{segment.before}x{segment.after}"


def covers(one: Pattern, other: Pattern) -> bool:
    """Whether `one` takes every path that `other` takes."""
    size = len(one.segments)
    if not one.rest and (other.rest or one.slash != other.slash):
        return False
    if len(other.segments) < size if one.rest else len(other.segments) != size:
        return False
    return all(first.covers(second) for first, second in zip(one.segments, other.segments, strict=False))


class Route(msgspec.Struct, frozen=True):
    """A method on a path of a service."""

    service: str
    method: str
    path: str


class Conflict(msgspec.Struct, frozen=True):
    """Two routes that both take `witness`; `first` is the one that goes before, being the more particular one."""

    kind: Kind
    first: Route
    second: Route
    witness: str


def conflicts(routes: Iterable[Route], pairs_max: int = PAIRS_MAX) -> list[Conflict]:
    """Every pair that wants the same requests, in the order of the paths."""
    by_path: dict[str, list[Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, []).append(route)
    tree, found = _Node(), list[Conflict]()
    for path, here in by_path.items():
        given = pattern(path)
        for group, known in (*_near(tree, given), (here, given)):
            for other, route in _pairs(group, here):
                conflict = _conflict(other, known, route, given)
                if conflict is not None:
                    found.append(conflict)
                    if len(found) >= pairs_max:
                        return found
        _add(tree, (here, given))
    return found


def _pairs(group: list[Route], here: list[Route]) -> Iterator[tuple[Route, Route]]:
    """Those that take the same method; of one and the same path each pair once."""
    for place, route in enumerate(here):
        for other in here[:place] if group is here else group:
            if (route.method == other.method or ANY in (route.method, other.method)) and route != other:
                yield other, route


def _conflict(one: Route, first: Pattern, other: Route, second: Pattern) -> Conflict | None:
    if first.slash != second.slash and not (first.rest or second.rest):
        same = covers(_bare(first), _bare(second)) and covers(_bare(second), _bare(first))
        return Conflict("trailing slash", one, other, witness(first, first) or one.path) if same else None
    text = witness(first, second)
    if text is None:
        return None
    wide, narrow = covers(first, second), covers(second, first)
    if wide and narrow:
        return Conflict("duplicate", one, other, text)
    if not wide and not narrow:
        before = first.ranks <= second.ranks
        return Conflict("ambiguous", *((one, other) if before else (other, one)), text)
    kind: Kind = "prefix" if (first.rest if wide else second.rest) else "shadow"
    return Conflict(kind, *((other, one) if wide else (one, other)), text)


def _bare(given: Pattern) -> Pattern:
    return Pattern(given.segments, given.rest)


Placed = tuple[list[Route], Pattern]


class _Node:
    """The paths that are alike up to here: by the next fixed text, by one with a place in it, and those that end."""

    __slots__ = ("ends", "fixed", "rests", "varying")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.varying: dict[Segment, _Node] = {}
        self.ends: list[Placed] = []
        self.rests: list[Placed] = []


def _add(tree: _Node, placed: Placed) -> None:
    """Put a path where it belongs."""
    node, given = tree, placed[1]
    for segment in given.segments:
        below: dict[Any, _Node] = node.fixed if segment.rank == 0 else node.varying
        key = segment.before if segment.rank == 0 else segment
        if key not in below:
            below[key] = _Node()
        node = below[key]
    (node.rests if given.rest else node.ends).append(placed)


def _near(tree: _Node, given: Pattern) -> list[Placed]:
    """The paths that may take something which `given` takes."""
    found, nodes = list[Placed](), [tree]
    for segment in given.segments:
        below: list[_Node] = []
        for node in nodes:
            found += node.rests
            if segment.rank == 0:
                if segment.before in node.fixed:
                    below.append(node.fixed[segment.before])
                below += [it for other, it in node.varying.items() if other.rank == 2 or other.takes(segment.before)]
            else:
                every = segment.rank == 2
                below += [it for text, it in node.fixed.items() if every or segment.takes(text)]
                below += node.varying.values()
        nodes = below
    while nodes:
        below = []
        for node in nodes:
            found += node.rests
            found += node.ends
            if given.rest:
                below += [*node.fixed.values(), *node.varying.values()]
        nodes = below
    return found

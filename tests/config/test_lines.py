"""Where the keys of a TOML document stand."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nexus.config.lines import KeyPath, lines_of

DOCUMENT = r'''
# a = 1 [b]
top = "x # y"
[services.web]
command = """
[not.a.table]
also = "not a key"
"""
list = [ # ]
  "a", # "b",
  { deep = [1, 2,
    3] },
]
dotted . key = { inside = 1, "quo\u0074ed" = 1979-05-27 07:32:00 }
[["array of tables"]]
a = """x\""""""
[["array of tables"]]
a = 2
["array of tables".sub]
b = ''
'''.removeprefix("\n")


def test_every_form_of_key_is_found_where_it_stands() -> None:
    """Comments, strings of four kinds, lists, inline tables, dotted keys and lists of tables."""
    lines = lines_of(DOCUMENT)
    assert lines == {
        ("top",): 2,
        ("services",): 3,
        ("services", "web"): 3,
        ("services", "web", "command"): 4,
        ("services", "web", "list"): 8,
        ("services", "web", "list", 0): 9,
        ("services", "web", "list", 1): 10,
        ("services", "web", "list", 1, "deep"): 10,
        ("services", "web", "list", 1, "deep", 0): 10,
        ("services", "web", "list", 1, "deep", 1): 10,
        ("services", "web", "list", 1, "deep", 2): 11,
        ("services", "web", "dotted"): 13,
        ("services", "web", "dotted", "key"): 13,
        ("services", "web", "dotted", "key", "inside"): 13,
        ("services", "web", "dotted", "key", "quoted"): 13,
        ("array of tables",): 14,
        ("array of tables", 0): 14,
        ("array of tables", 0, "a"): 15,
        ("array of tables", 1): 16,
        ("array of tables", 1, "a"): 17,
        ("array of tables", 1, "sub"): 18,
        ("array of tables", 1, "sub", "b"): 19,
    }


NAMES = st.sampled_from(["a", "b-c", "1", "_", "x y", 'q"', "p.q", "é", "#", "[", "="])
SNARES = ["", "#", "]", "}", ",", "=", "[x]", 'a = "', "'", "\\", '"""', "\n[t]\nk = 1\n", "…"]
TEXTS = st.lists(st.sampled_from(SNARES), max_size=4).map("".join)
SCALARS = TEXTS | st.integers() | st.booleans() | st.floats(allow_nan=False)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=3), max_size=4)


class Writer:
    """Writes a tree as TOML in drawn forms and remembers the line of each key."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.text = draw, ""
        self.lines: dict[KeyPath, int] = {}

    def note(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def blank(self) -> None:
        self.text += self.draw(st.sampled_from(["", " ", "\t"]))

    def break_(self) -> None:
        self.text += self.draw(st.sampled_from(["", "\n", " # ] } [x] = '''\n", "\r\n"]))

    def table(self, path: KeyPath, tree: dict[str, Any]) -> None:
        later = {name: value for name, value in tree.items() if isinstance(value, dict) and self.draw(st.booleans())}
        for name, value in tree.items():
            if name not in later:
                self.break_()
                self.pair((*path, name), name, value)
                self.text += "\n"
        for name, value in later.items():
            self.break_()
            self.text += "\n"
            header = [key(str(part), self.draw) for part in (*path, name)]
            self.note((*path, name))
            self.text += f"[{' . '.join(header)}]\n"
            self.table((*path, name), value)

    def pair(self, path: KeyPath, name: str, value: Any) -> None:
        self.note(path)
        self.text += key(name, self.draw)
        self.blank()
        self.text += "="
        self.blank()
        self.value(path, value)

    def value(self, path: KeyPath, value: Any) -> None:
        if isinstance(value, dict):
            self.text += "{"
            for place, (name, item) in enumerate(value.items()):
                self.text += ", " if place else " "
                self.pair((*path, name), name, item)
            self.text += " }"
        elif isinstance(value, list):
            self.text += "["
            for place, item in enumerate(value):
                self.break_()
                self.note((*path, place))
                self.value((*path, place), item)
                self.break_()
                self.text += ","
            self.text += "]"
        elif isinstance(value, str):
            self.text += self.string(value)
        else:
            self.text += json.dumps(value).replace("Infinity", "inf")

    def string(self, text: str) -> str:
        quoted = json.dumps(text)
        forms = [quoted, f'"""{quoted[1:-1]}"""', f'"""\\\n  {quoted[1:-1]}"""']
        forms += [f"'{text}'"] if "'" not in text and "\n" not in text else []
        forms += [f"'''{text}'''"] if "'" not in text else []
        return self.draw(st.sampled_from(forms))


def key(name: str, draw: st.DrawFn) -> str:
    """A key, bare where it may be and drawn so."""
    bare = (name.isascii() and name.replace("-", "").replace("_", "").isalnum()) or name == "_"
    return name if bare and draw(st.booleans()) else json.dumps(name)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[KeyPath, int]]:
    """A TOML document, and the line of each of its keys."""
    writer = Writer(draw)
    writer.table((), draw(TREES))
    return writer.text, writer.lines


@given(documents())
def test_the_index_agrees_with_what_was_written(document: tuple[str, dict[KeyPath, int]]) -> None:
    """Whatever stands in strings and comments, each key is found on its line, and nothing else is."""
    text, lines = document
    tomllib.loads(text)
    assert lines_of(text) == lines

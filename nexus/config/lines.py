"""Where each key of a TOML document stands; the standard library's parser does not say."""

from __future__ import annotations

import bisect
import re

KeyPath = tuple[str | int, ...]
"""The names that lead to a value; a number is the place in a list."""

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
SCALAR = re.compile(r"[^,\]}#\n]*")
STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line, 1 for the first, on which each key and each list item of a *valid* TOML document begins."""
    index = _Index(text)
    index.document()
    return index.lines


class _Index:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[KeyPath, int] = {}
        self.tables: dict[KeyPath, int] = {}

    def document(self) -> None:
        prefix: KeyPath = ()
        while self.blank() < len(self.text):
            if self.text[self.at] == "[":
                prefix = self.header()
            else:
                self.pair(prefix)

    def header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`: the path that the keys below belong to."""
        is_list = self.text.startswith("[[", self.at)
        self.at += 2 if is_list else 1
        prefix: KeyPath = ()
        for name in self.names():
            if prefix in self.tables:
                prefix = (*prefix, self.tables[prefix])
            prefix = (*prefix, name)
            self.note(prefix)
        if is_list:
            self.tables[prefix] = self.tables.get(prefix, -1) + 1
        self.at += 2 if is_list else 1
        if prefix in self.tables:
            prefix = (*prefix, self.tables[prefix])
            self.note(prefix)
        return prefix

    def pair(self, prefix: KeyPath) -> None:
        start = self.at
        for name in self.names():
            prefix = (*prefix, name)
            self.note(prefix, start)
        self.at += 1  # the equals sign
        self.value(prefix)

    def names(self) -> list[str]:
        """A dotted key, left behind."""
        names = []
        while True:
            self.blank()
            names.append(self.name())
            self.blank()
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def name(self) -> str:
        if self.text[self.at] in "\"'":
            quoted = self.string()
            return ESCAPE.sub(_unescaped, quoted[1:-1]) if quoted[0] == '"' else quoted[1:-1]
        return self.taken(BARE_KEY)

    def value(self, path: KeyPath) -> None:
        self.blank()
        opening = self.text[self.at]
        if opening == "[":
            self.items(path)
        elif opening == "{":
            self.inline_table(path)
        elif opening in "\"'":
            self.string()
        else:
            self.taken(SCALAR)

    def items(self, path: KeyPath) -> None:
        self.at += 1
        place = 0
        while self.text[self.blank()] != "]":
            self.note((*path, place))
            self.value((*path, place))
            place += 1
            self.comma()
        self.at += 1

    def inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self.text[self.blank()] != "}":
            self.pair(path)
            self.comma()
        self.at += 1

    def comma(self) -> None:
        if self.text[self.blank()] == ",":
            self.at += 1

    def string(self) -> str:
        matches = (pattern.match(self.text, self.at) for pattern in STRINGS)
        found = next(match for match in matches if match)
        self.at = found.end()
        return found.group()

    def blank(self) -> int:
        self.taken(BLANK)
        return self.at

    def taken(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None, "lines_of is for valid documents only"
        self.at = match.end()
        return match.group()

    def note(self, path: KeyPath, at: int | None = None) -> None:
        self.lines.setdefault(path, bisect.bisect_left(self.breaks, self.at if at is None else at) + 1)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else ESCAPED.get(match[3], match[3])

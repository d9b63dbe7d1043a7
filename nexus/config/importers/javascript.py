"""Object literals of JavaScript, JSON among them, with the line of each key. Nothing is run."""

from __future__ import annotations

import bisect
import re
from typing import Any, NamedTuple

from nexus.config.importers.drafts import Drafts
from nexus.config.lines import KeyPath

BLANK = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
WORD = re.compile(r"[A-Za-z_$][\w$]*")
NUMBER = re.compile(r"-?(?:0[xX][0-9A-Fa-f]+|\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?)")
STRING = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`""", re.DOTALL)
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|\n|(.))", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}
CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}
EXPORT = re.compile(r"(?:module\.exports|exports\.default)\s*=|export\s+default\b")
CLOSING = {"(": ")", "[": "]", "{": "}"}


class Expression(NamedTuple):
    """Something that only running the program would tell."""

    text: str


class NotALiteralError(Exception):
    """The text is not what was expected at that line."""

    def __init__(self, found: str, line: int) -> None:
        super().__init__(found)
        self.found, self.line = found, line


def parse_literal(drafts: Drafts, text: str) -> tuple[Any, dict[KeyPath, int]]:
    """A JSON or JavaScript file as a value, and the line of each key and list item; raises ConfigurationError.

    Of a program, what it exports; parts that only running it would tell are `Expression`s.
    """
    export = EXPORT.search(text)
    reader = _Reader(text, export.end() if export else 0)
    try:
        value = reader.value(())
    except NotALiteralError as error:
        raise drafts.error("a list or object, written out", error.found, error.line) from error
    return value, reader.lines


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[KeyPath, int] = {}

    @property
    def line(self) -> int:
        return bisect.bisect_left(self.breaks, self.at) + 1

    def next(self) -> str:
        """The next character that means something, "" at the end."""
        match = BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def value(self, path: KeyPath) -> Any:
        start, opening = self.at, self.next()
        if not opening:
            raise NotALiteralError("the end of the file", self.line)
        start = self.at
        if opening == "{":
            value: Any = self.object(path)
        elif opening == "[":
            value = self.array(path)
        else:
            value = self.scalar()
        if self.next() not in (",", "]", "}", ";", "") and path:
            self.at = start
            return self.expression()
        return value

    def object(self, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while self.next() != "}":
            if self.text.startswith("...", self.at):
                line = self.line
                self.lines[*path, f"...{len(found)}"] = line
                found[f"...{len(found)}"] = self.expression()
            else:
                self.property(path, found)
            self.comma("}")
        self.at += 1
        return found

    def property(self, path: KeyPath, found: dict[str, Any]) -> None:
        line = self.line
        key = self.string() if self.text[self.at] in "\"'" else self.word()
        self.lines[*path, key] = line
        if self.next() == ":":
            self.at += 1
            found[key] = self.value((*path, key))
        elif self.next() in (",", "}"):
            found[key] = Expression(key)
        else:
            raise NotALiteralError(f"{key} without a value", line)

    def array(self, path: KeyPath) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while self.next() != "]":
            place = len(found)
            self.lines[*path, place] = self.line
            found.append(self.value((*path, place)))
            self.comma("]")
        self.at += 1
        return found

    def comma(self, closing: str) -> None:
        following = self.next()
        if following == ",":
            self.at += 1
        elif following != closing:
            found = f"{following!r}" if following else "the end of the file"
            raise NotALiteralError(f"{found} where a comma or {closing} was due", self.line)

    def scalar(self) -> Any:
        if self.text[self.at] in "\"'`":
            quoted = self.string()
            return Expression(f"`{quoted}`") if self.text[self.at - 1] == "`" and "${" in quoted else quoted
        number = NUMBER.match(self.text, self.at)
        if number:
            self.at = number.end()
            text = number.group().replace("_", "")
            return float(text) if re.fullmatch(r"-?\d+(?:\.\d+)?[eE].*|-?\d+\.\d+", text) else int(text, 0)
        word = WORD.match(self.text, self.at)
        if word and word.group() in CONSTANTS:
            self.at = word.end()
            return CONSTANTS[word.group()]
        return self.expression()

    def string(self) -> str:
        match = STRING.match(self.text, self.at)
        if match is None:
            raise NotALiteralError("a string that does not end", self.line)
        self.at = match.end()
        return ESCAPE.sub(_unescaped, match.group()[1:-1])

    def word(self) -> str:
        match = WORD.match(self.text, self.at) or NUMBER.match(self.text, self.at)
        if match is None:
            raise NotALiteralError(f"{self.text[self.at]!r} where a key was due", self.line)
        self.at = match.end()
        return match.group()

    def expression(self) -> Expression:
        """Everything up to the comma or bracket that ends it."""
        start = self.at
        open_: list[str] = []
        while following := self.next():
            if not open_ and following in ",]};":
                break
            if following in "\"'`":
                self.string()
                continue
            if following in CLOSING:
                open_.append(CLOSING[following])
            elif open_ and following == open_[-1]:
                open_.pop()
            self.at += 1
        if self.at == start:
            raise NotALiteralError(f"{self.text[start : start + 1]!r} where a value was due", self.line)
        return Expression(" ".join(self.text[start : self.at].split()))


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        return chr(int(code, 16))
    return ESCAPED.get(match[3], match[3]) if match[3] else ""

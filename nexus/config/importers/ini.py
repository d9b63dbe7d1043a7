"""Files of sections and `key=value` lines, with the line of each."""

from __future__ import annotations

import re
from typing import NamedTuple

SECTION = re.compile(r"\[([^\]]+)\]\s*(?:[;#].*)?")
INLINE_COMMENT = re.compile(r"\s;.*")


class Entry(NamedTuple):
    """One `key=value`."""

    section: str
    key: str
    value: str
    line: int


class Parsed(NamedTuple):
    """A file: its sections in order with their lines, its entries, and the lines that are neither."""

    sections: dict[str, int]
    entries: list[Entry]
    others: list[tuple[int, str]]

    def of(self, section: str) -> list[Entry]:
        """The entries of a section."""
        return [entry for entry in self.entries if entry.section == section]


def parse_ini(text: str, *, indented: bool) -> Parsed:
    """What a file says: with `indented` a line that begins with a blank goes on, otherwise after a backslash."""
    parsed = Parsed({}, [], [])
    section, continues = "", False
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        goes_on = (indented and raw[:1].isspace()) or (not indented and continues)
        if not line or line[0] in ";#":
            continue
        if goes_on and parsed.entries:
            last = parsed.entries[-1]
            parsed.entries[-1] = last._replace(value=_joined(last.value, line, indented=indented))
        elif match := SECTION.fullmatch(line):
            section = match[1].strip()
            parsed.sections.setdefault(section, number)
        elif "=" in line:
            key, _, value = line.partition("=")
            value = INLINE_COMMENT.sub("", value) if indented else value.removesuffix("\\")
            parsed.entries.append(Entry(section, key.strip(), value.strip(), number))
        else:
            parsed.others.append((number, line))
        continues = line.endswith("\\")
    return parsed


def _joined(before: str, line: str, *, indented: bool) -> str:
    more = INLINE_COMMENT.sub("", line) if indented else line.removesuffix("\\")
    return f"{before} {more.strip()}".strip()

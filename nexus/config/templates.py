"""Text with gaps: `{port}` is filled in by Nexus, `${NAME}` comes from the environment of the supervisor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

WORD = r"[A-Za-z_][A-Za-z0-9_.-]*"
GAP = re.compile(
    r"\$\$\{(?P<literal>[^}]*)\}|\$\{(?P<variable>[^}]*)\}"
    rf"|\{{\{{(?P<escaped>{WORD})\}}\}}|\{{(?P<placeholder>{WORD})\}}"
)
VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-(?P<text>.*))?", re.DOTALL)

Lookup = Callable[[str], str]


class Template(NamedTuple):
    """A text and which of its gaps count: a quoted value of an `env_file` is taken as it stands."""

    text: str
    placeholders: bool = True
    variables: bool = False

    def __repr__(self) -> str:
        return "Template(…)"

    def names(self) -> Iterator[str]:
        """Its placeholders, without braces."""
        if self.placeholders:
            yield from (match["placeholder"] for match in GAP.finditer(self.text) if match["placeholder"])

    def unreadable_variables(self) -> Iterator[str]:
        """What stands between `${` and `}` and is no variable."""
        if self.variables:
            found = (match["variable"] for match in GAP.finditer(self.text) if match["variable"] is not None)
            yield from (text for text in found if not VARIABLE.fullmatch(text))

    def filled(self, placeholder: Lookup, variable: Lookup) -> str:
        """The text without gaps; `{{port}}` stays `{port}`, and `$${NAME}` stays `${NAME}` where variables count."""

        def gap(match: re.Match[str]) -> str:
            if match["placeholder"] is not None or match["escaped"] is not None:
                if not self.placeholders:
                    return match.group()
                return placeholder(match["placeholder"]) if match["placeholder"] else f"{{{match['escaped']}}}"
            if not self.variables:
                return match.group()
            if match["literal"] is not None:
                return f"${{{match['literal']}}}"
            return _value(match["variable"], match.group(), variable)

        return GAP.sub(gap, self.text)


def literal(text: str, *, variables: bool = False) -> str:
    """The text of a template that, filled in, is `text`."""

    def kept(match: re.Match[str]) -> str:
        if match["escaped"] is not None or match["placeholder"] is not None:
            return f"{{{match.group()}}}"
        return f"${match.group()}" if variables else match.group()

    return GAP.sub(kept, text)


def _value(inside: str, whole: str, variable: Lookup) -> str:
    """The value of `NAME` or `NAME:-default`; raises KeyError where it has neither."""
    match = VARIABLE.fullmatch(inside)
    if match is None:
        return whole
    try:
        value = variable(match["name"])
    except KeyError:
        if match["default"] is None:
            raise
        value = ""
    return value or match["text"] or ""

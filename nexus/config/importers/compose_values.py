"""The values of compose files: variables, durations, lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nexus.config.importers.drafts import Drafts
from nexus.config.lines import KeyPath

VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?P<rest>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\})"
)
DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)")
UNIT_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Interpolation:
    """Fills `${NAME:-default}` in from the `.env` file and remembers what was used."""

    def __init__(self, drafts: Drafts, lines: Mapping[KeyPath, int], variables: Mapping[str, str]) -> None:
        self.drafts, self.lines, self.variables = drafts, lines, variables
        self.used: dict[str, str] = {}
        self._missing: set[str] = set()

    def text(self, value: Any, line: int | None = None) -> str:
        """A value as text; an unset variable is empty, as for Docker, and noted once."""
        if value is None:
            return ""

        def filled(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "$"
            return self._value(match["bare"] or match["name"], match["rest"] or "", line)

        return VARIABLE.sub(filled, str(value).lower() if isinstance(value, bool) else str(value))

    def _value(self, name: str, rest: str, line: int | None) -> str:
        value, operator = self.variables.get(name), rest.lstrip(":")[:1]
        given = value is not None and (value != "" or not rest.startswith(":"))
        if operator == "+":
            return self.text(rest.lstrip(":")[1:], line) if given else ""
        if given:
            result = value or ""
        elif operator == "-":
            result = self.text(rest.lstrip(":")[1:], line)
        else:
            result = ""
            if name not in self._missing:
                self._missing.add(name)
                self.drafts.note(f"{name} is not set in .env: taken as empty here", line)
        self.used[name] = result
        return result


def seconds_or_none(text: str) -> float | None:
    """A duration of compose in seconds, from `1m30s`; None where it is none."""
    parts = DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts)


def duration(seconds: float | None) -> str | None:
    """Seconds as nexus.toml writes them."""
    if seconds is None:
        return None
    number, unit = (seconds, "s") if seconds >= 1 or not seconds else (seconds * 1000, "ms")
    return f"{number:.3f}".rstrip("0").rstrip(".") + unit


def items_of(value: Any) -> list[Any]:
    """A list, also where there is none."""
    return value if isinstance(value, list) else []


def table_of(value: Any) -> dict[str, Any]:
    """A table, also where there is none."""
    return value if isinstance(value, dict) else {}

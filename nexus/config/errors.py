"""What is said when a configuration can't be used."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TEXT_SHOWN = 60


class ConfigurationError(ValueError):
    """A configuration that can't be used: where, what was expected, what was found, and the next step."""

    def __init__(
        self, file: Path, expected: str, found: str, next_step: str, *, line: int | None = None, key: str = ""
    ) -> None:
        self.file, self.line, self.key = file, line, key
        self.expected, self.found, self.next_step = expected, found, next_step
        place = str(file) if line is None else f"{file}:{line}"
        about = f"{place}: {key}" if key else place
        super().__init__(f"{about}: expected {expected}; found {found}. {next_step}")


def described(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, str):
        short = value if len(value) <= TEXT_SHOWN else value[:TEXT_SHOWN] + "…"
        return json.dumps(short, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return kind_of(value)


def kind_of(value: Any) -> str:
    """What kind of value it is, without the value itself."""
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def did_you_mean(wrong: str, known: Iterable[str], otherwise: str) -> str:
    """The nearest known word as a question, or `otherwise`."""
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else otherwise

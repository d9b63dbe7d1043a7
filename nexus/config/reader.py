"""Reads one table of nexus.toml key by key; the first thing that is wrong raises ConfigurationError."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nexus.config.errors import ConfigurationError, described, did_you_mean, kind_of
from nexus.config.keys import Keys
from nexus.config.lines import KeyPath
from nexus.config.values import seconds_of


class Source:
    """A file that was read, and where its keys stand."""

    def __init__(self, file: Path, lines: Mapping[KeyPath, int]) -> None:
        self.file, self.lines = file, lines

    def error(self, path: KeyPath, expected: str, found: str, next_step: str) -> ConfigurationError:
        """What is wrong at `path`; the line is that of the nearest key that is in the file."""
        known = (self.lines[path[:size]] for size in range(len(path), 0, -1) if path[:size] in self.lines)
        return ConfigurationError(self.file, expected, found, next_step, line=next(known, None), key=_shown(path))


def _shown(path: KeyPath) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


class Reader:
    """One table: a missing key gives the default, a wrong or unknown one raises ConfigurationError."""

    def __init__(self, source: Source, path: KeyPath, table: Mapping[str, Any], keys: Keys) -> None:
        self.source, self.path, self.table, self.keys = source, path, table, keys
        for name in table:
            if name in keys.not_yet:
                raise self.wrong(
                    name, expected="a key of this version", found="one that is planned but not supported yet",
                    next_step="Remove it.",
                )  # fmt: skip
            if name not in keys.names():
                raise self.wrong(
                    name, expected=f"a key of {keys.title}", found="an unknown one",
                    next_step=did_you_mean(name, keys.names(), f"It may have {', '.join(keys.names())}."),
                )  # fmt: skip

    def __contains__(self, key: str) -> bool:
        return key in self.table

    def wrong(self, *place: str | int, expected: str, found: str, next_step: str) -> ConfigurationError:
        """The error to raise at `place`."""
        return self.source.error((*self.path, *place), expected, found, next_step)

    def malformed(self, *place: str | int, found: str = "", next_step: str = "") -> ConfigurationError:
        """The error to raise where a value is not of its key's form."""
        key = self.keys[str(place[0])]
        found = found or described(self.table[key.name])
        return self.wrong(*place, expected=key.form, found=found, next_step=next_step or f"For example: {key.example}")

    def text(self, key: str, default: str) -> str:
        """A string that is not empty."""
        value = self.table.get(key, default)
        if not isinstance(value, str) or (key in self.table and not value.strip()):
            raise self.malformed(key)
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.table.get(key, default)
        if not isinstance(value, bool):
            raise self.malformed(key)
        return value

    def choice(self, key: str, default: str, choices: Iterable[str]) -> str:
        """One of a few words."""
        value = self.table.get(key, default)
        choices = list(choices)
        if value not in choices:
            advice = did_you_mean(value, choices, "") if isinstance(value, str) else ""
            raise self.malformed(key, next_step=advice)
        return str(value)

    def whole(self, key: str, default: int, lowest: int, highest: int) -> int:
        """A whole number from `lowest` to `highest`."""
        value = self.table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self.malformed(key)
        return value

    def seconds(self, key: str, default: float, *, positive: bool = False) -> float:
        """A duration in seconds."""
        value = seconds_of(self.table.get(key, default))
        if value is None:
            raise self.malformed(key)
        if positive and value <= 0:
            raise self.malformed(key, next_step="It must be longer than 0.")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; a single string counts as a list of one."""
        value = self.table.get(key, [])
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise self.malformed(key)
        for place, item in enumerate(items):
            if not isinstance(item, str):
                raise self.malformed(key, place, found=kind_of(item))
        return tuple(items)

    def subtable(self, key: str) -> Mapping[str, Any]:
        """A table."""
        value = self.table.get(key, {})
        if not isinstance(value, dict):
            raise self.malformed(key)
        return value

    def reader(self, key: str, keys: Keys) -> Reader:
        """A reader for a table inside this one."""
        return Reader(self.source, (*self.path, key), self.subtable(key), keys)

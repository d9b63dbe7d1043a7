"""What is wrong with a document."""

from __future__ import annotations

REASON_LENGTH_MAX = 300


class UnusableError(Exception):
    """A document can't be used; the text says why, in words that may be recorded."""

    def __init__(self, reason: str) -> None:
        super().__init__(plain(reason, REASON_LENGTH_MAX))


def plain(text: object, length_max: int) -> str:
    """What a service wrote as one short line without anything that moves a terminal's cursor."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())
    return line if len(line) <= length_max else f"{line[: length_max - 1]}…"

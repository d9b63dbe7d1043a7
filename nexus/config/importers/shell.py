"""Command lines that were written for a shell, as commands that need none where that is possible."""

from __future__ import annotations

import re
import shlex
from typing import Any

import msgspec

from nexus.config.templates import literal
from nexus.config.values import words_of

PORT = re.compile(r"\$PORT\b|\$\{PORT(?::?-[^}]*)?\}|%PORT%")
CHANGE_DIRECTORY = re.compile(r"""cd\s+([^\s&|;<>$`"'*?~\\()]+)\s*&&\s*""")
ASSIGNMENT = re.compile(r"""([A-Za-z_]\w*)=((?:'[^']*'|"[^"$`\\]*"|[^\s"'$`\\|&;<>()*?~#])*)(?:\s+|$)""")
SINGLE_QUOTED = re.compile(r"'[^']*'")
QUOTED = re.compile(r"""'[^']*'|"[^"$`\\]*\"""")
OPERATORS = re.compile(r"[|&;\n]")
NEEDS_SHELL = re.compile(r"[|&;<>()$`*?~\n\\!#]|\[")
KEYWORDS = frozenset(
    ["if", "for", "while", "until", "case", "set", "source", ".", "export", "cd", "ulimit", "trap", "{", "!"]
)
LISTENS = re.compile(
    r"(?:^|\s)(?:--(?:http-|listen-)?port|--bind|--listen|--listen-client-urls|--addr|--address)(?:=|\s+)"
    r"(?:[a-z]+://)?(?:[\w.*-]*:)?(\d{2,5})(?=[\s/,]|$)|\brunserver\s+(?:[\w.]+:)?(\d{2,5})(?=\s|$)"
    r"|\s-m\s+http\.server\s+(\d{2,5})(?=\s|$)|\s-b\s+(?:[\w.]*:)(\d{2,5})(?=\s|$)"
)
SERVERS_WITH_P = re.compile(
    r"\b(?:rails|next|serve|http-server|puma|thin|unicorn|nuxt|rackup|storybook)\b.*\s-p[= ]?(\d{2,5})(?=\s|$)"
)


class Line(msgspec.Struct, frozen=True):
    """A command line taken apart: what nexus.toml has keys of its own for, and the words that remain."""

    words: tuple[str, ...]
    directory: str = ""
    environment: dict[str, str] = {}
    uses_port: bool = False
    listens_on: int | None = None

    @property
    def command(self) -> str | list[str]:
        """The words as a string where that is as clear, otherwise as a list."""
        return command_value(self.words)

    def keys(self, port: str | int | None = None) -> dict[str, Any]:
        """The keys of nexus.toml for it; `port` is taken where the command line says nothing of a port."""
        own = "auto" if self.uses_port else self.listens_on
        return {
            "command": self.command,
            "directory": self.directory,
            "port": own if own is not None else port,
            "environment": self.environment,
        }


def command_value(words: tuple[str, ...]) -> str | list[str]:
    """Words as a string where it needs no quotes, otherwise as a list."""
    line = " ".join(words)
    try:
        plain = words_of(line) == words
    except ValueError:
        plain = False
    return line if plain else list(words)


def understood(text: str) -> Line:
    """A command line for a shell, taken apart; one that needs a shell gets `sh -c`."""
    text = text.strip()
    directory = ""
    change = CHANGE_DIRECTORY.match(text)
    if change:
        directory, text = change[1], text[change.end() :]
    environment: dict[str, str] = {}
    rest = re.sub(r"^env\s+(?=[A-Za-z_]\w*=)", "", text)
    while (assignment := ASSIGNMENT.match(rest)) and assignment.end() < len(rest):
        environment[assignment[1]] = literal("".join(shlex.split(assignment[2])), variables=True)
        rest = rest[assignment.end() :]
    rest = rest.removeprefix("exec ").strip()
    uses_port, listens_on = bool(PORT.search(text)), _listens_on(text, environment)
    if listens_on is not None:
        environment.pop("PORT", None)
    words = _words(rest)
    if words is None:
        alone = bool(rest) and not OPERATORS.search(QUOTED.sub("", rest)) and not _is_keyword(rest)
        words = ("sh", "-c", literal(f"exec {rest}" if alone else rest))
    return Line(words, directory, environment, uses_port, listens_on)


def _is_keyword(text: str) -> bool:
    return text.split(None, 1)[0] in KEYWORDS or text.startswith("(")


def _words(text: str) -> tuple[str, ...] | None:
    """The words of a command that needs no shell but for `$PORT`; None where it needs one."""
    if "$PORT" in "".join(SINGLE_QUOTED.findall(text)) or not text or _is_keyword(text):
        return None
    if NEEDS_SHELL.search(QUOTED.sub("", PORT.sub("", text))):
        return None
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    return tuple(PORT.sub("{port}", literal(word)) for word in words) or None


def _listens_on(text: str, environment: dict[str, str]) -> int | None:
    """The port that a command line names as the one that it listens on."""
    if PORT.search(text):
        return None
    found = LISTENS.search(text) or SERVERS_WITH_P.search(text)
    number = next((group for group in found.groups() if group), "") if found else environment.get("PORT", "")
    return int(number) if number.isdigit() and 1 <= int(number) <= 65_535 else None

"""supervisord's configuration."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nexus.config.importers.drafts import Drafts, Imported, matching, read_text
from nexus.config.importers.ini import Entry, parse_ini
from nexus.config.importers.shell import command_value
from nexus.config.services import SIGNALS
from nexus.config.templates import literal

EXPANSION = re.compile(r"%\((\w+)\)0?\d*[sd]|%%")
PAIR = re.compile(r"""\s*([A-Za-z_]\w*)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,]*)\s*(?:,|$)""")
MARK = "\0"
TRUE = ("true", "yes", "on", "1")
AUTORESTART = {"unexpected": "on failure", "false": "never", "no": "never", "off": "never", "0": "never"}
LOGS = re.compile(r"(?:stdout|stderr)_\w+|redirect_stderr")
SILENT = frozenset(["stopasgroup", "killasgroup"])
"""Nexus always ends the whole tree."""
DELAYS_MAX = 10
RETRIES_DEFAULT = 3


def read(source: Path) -> Imported:
    """One service for each program, those of included files too; raises ConfigurationError."""
    drafts = Drafts(source, "supervisord configuration")
    _read_file(drafts, source)
    return drafts.done()


def _read_file(drafts: Drafts, file: Path) -> None:
    parsed = parse_ini(read_text(file), indented=True)
    drafts.reading = "" if file == drafts.source else file.relative_to(drafts.source.parent).as_posix()
    for line, text in parsed.others:
        drafts.note(f"not understood: {text}", line)
    for entry in parsed.of(""):
        drafts.note(f"not imported: {entry.key}={entry.value}", entry.line)
    for section, line in parsed.sections.items():
        kind, _, name = section.partition(":")
        if kind == "program":
            _Program(drafts, file, drafts.name(name, line), name).add(parsed.of(section))
        elif kind == "include":
            _include(drafts, file, parsed.of(section))
        elif kind in ("supervisord", "supervisorctl", "unix_http_server", "inet_http_server", "rpcinterface"):
            drafts.note(f"left out: [{section}] is about supervisord itself", line)
        else:
            drafts.note(f"not imported: [{section}]", line)


def _include(drafts: Drafts, file: Path, entries: list[Entry]) -> None:
    for entry in entries:
        for pattern in entry.value.replace("%(here)s", str(file.parent)).split() if entry.key == "files" else ():
            found = matching(file.parent, pattern)
            if not found:
                drafts.note(f"not imported: no file here is {pattern}", entry.line)
            before = drafts.reading
            for included in found:
                _read_file(drafts, included)
            drafts.reading = before


class _Program:
    """One `[program:x]` on its way to nexus.toml."""

    def __init__(self, drafts: Drafts, file: Path, name: str, program: str) -> None:
        self.drafts, self.file, self.name, self.program = drafts, file, name, program
        self.keys: dict[str, Any] = {"restart": "on failure"}
        self.retries = RETRIES_DEFAULT
        self.logs_noted = False

    def add(self, entries: list[Entry]) -> None:
        """Map each entry; the service is left out, with a note, where it has no command."""
        for entry in entries:
            known = MAPPED.get(entry.key)
            if known:
                known(self, entry)
            elif LOGS.fullmatch(entry.key):
                if not self.logs_noted:
                    self.note(entry, "left out: Nexus keeps and rotates its output itself")
                self.logs_noted = True
            elif entry.key not in SILENT:
                self.note(entry, f"not imported: {entry.key}={entry.value}")
        self.keys["restart"] = self._restart()
        if "command" in self.keys:
            self.drafts.add(self.name, self.keys)
        else:
            self.drafts.note(f"not imported: [program:{self.program}] has no command")

    def note(self, entry: Entry, text: str) -> None:
        self.drafts.note(f"{text}", entry.line, self.name)

    def _restart(self) -> Any:
        if self.keys["restart"] == "never" or self.retries == 0:
            return "never"
        delays = [f"{seconds}s" for seconds in range(1, min(self.retries, DELAYS_MAX) + 1)]
        more = {"attempts_max": self.retries} if self.retries > DELAYS_MAX else {}
        return {"when": self.keys["restart"], "delays": delays, **more}

    def expanded(self, entry: Entry, variable: Callable[[str], str]) -> str:
        """A value with its expansions; those of the environment by `variable`."""
        known = {"program_name": self.program, "group_name": self.program, "here": str(self.file.absolute().parent)}

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name is None:
                return "%"
            if name.startswith("ENV_"):
                return variable(name.removeprefix("ENV_"))
            if name not in known:
                self.note(entry, f"not understood: {match.group()}")
            return known.get(name, match.group())

        return EXPANSION.sub(one, entry.value)

    def command(self, entry: Entry) -> None:
        text = self.expanded(entry, lambda name: f"{MARK}{name}{MARK}")
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
        if not words:
            self.note(entry, f"not understood: command={entry.value}")
        elif MARK in text:
            # Each mark makes shlex.quote put its word into single quotes, which are left for the variable.
            quoted = re.sub(rf"{MARK}(\w+){MARK}", r"""'"${\1}"'""", " ".join(map(shlex.quote, words)))
            self.keys["command"] = ["sh", "-c", literal(f"exec {quoted}")]
        else:
            self.keys["command"] = command_value(tuple(map(literal, words)))

    def directory(self, entry: Entry) -> None:
        folder = self.file.parent.relative_to(self.drafts.source.parent).as_posix()
        self.text(entry._replace(value=entry.value.replace("%(here)s", folder)))

    def text(self, entry: Entry) -> None:
        def unknown(name: str) -> str:
            self.note(entry, f"not understood: %(ENV_{name})s")
            return f"%(ENV_{name})s"

        self.keys[entry.key] = literal(self.expanded(entry, unknown)) if entry.value else None

    def environment(self, entry: Entry) -> None:
        text = entry.value
        while text.strip():
            match = PAIR.match(text)
            if match is None:
                self.note(entry, "not understood: the rest of environment")
                return
            value = match[2].strip()
            value = value[1:-1] if value[:1] in "\"'" and value[:1] else value
            value = literal(value, variables=True)
            pair = entry._replace(value=value)
            self.keys.setdefault("environment", {})[match[1]] = self.expanded(pair, lambda name: f"${{{name}:-}}")
            text = text[match.end() :]

    def autostart(self, entry: Entry) -> None:
        self.keys["autostart"] = None if entry.value.lower() in TRUE else False

    def autorestart(self, entry: Entry) -> None:
        self.keys["restart"] = AUTORESTART.get(entry.value.lower(), "always")

    def startretries(self, entry: Entry) -> None:
        self.retries = int(entry.value) if entry.value.isdigit() else RETRIES_DEFAULT

    def stopwaitsecs(self, entry: Entry) -> None:
        if entry.value.isdigit():
            self.keys["stop_timeout"] = f"{entry.value}s"
        else:
            self.note(entry, f"not understood: stopwaitsecs={entry.value}")

    def stopsignal(self, entry: Entry) -> None:
        name = entry.value.upper().removeprefix("SIG")
        if name in SIGNALS:
            self.keys["stop_signal"] = name
        else:
            self.note(entry, f"not understood: stopsignal={entry.value}")

    def numprocs(self, entry: Entry) -> None:
        if entry.value.isdigit() and int(entry.value) > 1:
            self.keys["instances"] = int(entry.value)

    def process_name(self, entry: Entry) -> None:
        """Names the process only, unless the command counts on it."""


MAPPED: dict[str, Callable[[_Program, Entry], None]] = {
    "command": _Program.command,
    "directory": _Program.directory,
    "user": _Program.text,
    "environment": _Program.environment,
    "autostart": _Program.autostart,
    "autorestart": _Program.autorestart,
    "startretries": _Program.startretries,
    "stopwaitsecs": _Program.stopwaitsecs,
    "stopsignal": _Program.stopsignal,
    "numprocs": _Program.numprocs,
    "process_name": _Program.process_name,
}

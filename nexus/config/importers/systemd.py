"""Service units of systemd."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nexus.config.importers.compose_values import duration
from nexus.config.importers.drafts import Drafts, Imported, read_text
from nexus.config.importers.ini import Entry, Parsed, parse_ini
from nexus.config.importers.shell import command_value
from nexus.config.services import SIGNALS
from nexus.config.templates import literal

UNITS = {
    1e-6: ("us", "usec"),
    1e-3: ("ms", "msec"),
    1.0: ("", "s", "sec", "second", "seconds"),
    60.0: ("m", "min", "minute", "minutes"),
    3_600.0: ("h", "hr", "hour", "hours"),
    86_400.0: ("d", "day", "days"),
}
UNIT_SECONDS = {word: seconds for seconds, words in UNITS.items() for word in words}
SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)\s*")
RESTARTS = {
    "no": "never",
    "always": "always",
    "on-success": "always",
    "on-failure": "on failure",
    "on-abnormal": "on failure",
    "on-abort": "on failure",
    "on-watchdog": "on failure",
}
BURST = 5
"""So many starts systemd allows by default before it gives up."""
SPECIFIER = re.compile(r"%[A-Za-z]")
VARIABLE = re.compile(r"\$\{?[A-Za-z_]")
ORDER = ("After", "Requires", "Wants", "BindsTo", "PartOf", "Requisite", "Upholds")
SILENT = frozenset(["Description", "Documentation", "WantedBy", "DefaultDependencies", "Alias", "RequiredBy"])


def read(source: Path) -> Imported:
    """One service; raises ConfigurationError where the unit can't be read or starts nothing."""
    drafts = Drafts(source, "systemd unit")
    parsed = parse_ini(read_text(source), indented=False)
    if not any(entry.key == "ExecStart" and entry.value for entry in parsed.of("Service")):
        raise drafts.error("ExecStart in [Service]", "none")
    unit = _Unit(drafts, drafts.name(source.stem.removesuffix("@")))
    unit.add(parsed)
    return drafts.done()


class _Unit:
    """A unit on its way to nexus.toml."""

    def __init__(self, drafts: Drafts, name: str) -> None:
        self.drafts, self.name = drafts, name
        self.keys: dict[str, Any] = {}
        self.before: list[str] = []
        self.starts: list[tuple[str, ...]] = []
        self.needs_shell = False
        self.when = "never"
        self.delay_seconds: float | None = None

    def note(self, entry: Entry, text: str) -> None:
        self.drafts.note(text, entry.line, self.name)

    def add(self, parsed: Parsed) -> None:
        """Map each line."""
        for line, text in parsed.others:
            self.drafts.note(f"not understood: {text}", line, self.name)
        for entry in parsed.entries:
            handler = MAPPED.get(entry.key) if entry.section == "Service" else None
            if SPECIFIER.search(entry.value.replace("%%", "")) and entry.key not in SILENT:
                self.note(entry, f"not understood: the specifiers of {entry.key}={entry.value}")
            if handler:
                handler(self, entry)
            elif entry.key in ORDER:
                self._order(entry)
            elif entry.key not in SILENT:
                self.note(entry, f"not imported: {entry.key}={entry.value}")
        if not self.starts:
            self.drafts.note("not imported: no command was understood", None, self.name)
            return
        if self.delay_seconds is None or self.when == "never":
            restart: Any = self.when
        else:
            restart = {"when": self.when, "delays": [duration(self.delay_seconds)], "attempts_max": BURST}
        self.drafts.add(self.name, {"command": self._command(), **self.keys, "restart": restart})

    def _command(self) -> str | list[str]:
        if len(self.starts) == 1 and not self.before and not self.needs_shell:
            return command_value(tuple(map(literal, self.starts[0])))
        lines = [*self.before, *(_shell(words) for words in self.starts)]
        return ["sh", "-c", literal(" && ".join([*lines[:-1], f"exec {lines[-1]}"]))]

    def _order(self, entry: Entry) -> None:
        for unit in entry.value.split():
            if not unit.endswith(".target"):
                self.note(entry, f"not imported: {entry.key}={unit}; once it is a service here, add it to depends_on")

    def _words(self, entry: Entry) -> tuple[str, ...]:
        """The words of a command, without the marks that change how systemd runs it."""
        text = entry.value.lstrip("-:+!|@")
        marks = entry.value[: len(entry.value) - len(text)]
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
        if "@" in marks:
            del words[1:2]
        if marks.strip("@") and (marks, entry.key) != ("-", "ExecStartPre"):
            self.note(entry, f"not imported: the {marks} before {words[0] if words else text}")
        if not words:
            self.note(entry, f"not understood: {entry.key}={entry.value}")
        if ":" not in marks and any(VARIABLE.search(word) for word in words):
            self.needs_shell = True
        return tuple(word.replace("%%", "%").replace("$$", "$") for word in words)

    # -- [Service] -----------------------------------------------------------------------------------

    def execstart(self, entry: Entry) -> None:
        if not entry.value:
            self.starts.clear()
        elif words := self._words(entry):
            self.starts.append(words)

    def execstartpre(self, entry: Entry) -> None:
        if entry.value and (words := self._words(entry)):
            tolerant = " || true" if entry.value.startswith("-") else ""
            self.before.append(f"{{ {_shell(words)}{tolerant}; }}" if tolerant else _shell(words))

    def type(self, entry: Entry) -> None:
        if entry.value == "oneshot":
            self.keys["task"] = True
        elif entry.value == "forking":
            self.note(entry, "it goes into the background by itself: Nexus needs it in the foreground")
        elif entry.value in ("notify", "notify-reload", "dbus"):
            self.note(entry, f"not imported: Type={entry.value}; add health to know when it is ready")

    def workingdirectory(self, entry: Entry) -> None:
        directory = entry.value.removeprefix("-")
        if directory == "~":
            self.note(entry, "not understood: WorkingDirectory=~")
        else:
            self.keys["directory"] = literal(directory)

    def user(self, entry: Entry) -> None:
        self.keys["user"] = entry.value

    def environment(self, entry: Entry) -> None:
        try:
            pairs = [word.partition("=") for word in shlex.split(entry.value)]
        except ValueError:
            pairs = [("", "", "")]
        for name, equals, value in pairs:
            if name and equals:
                value = value.replace("%%", "%")
                self.keys.setdefault("environment", {})[name] = literal(value, variables=True)
            else:
                self.note(entry, "not understood: a part of Environment")

    def environmentfile(self, entry: Entry) -> None:
        file = entry.value.removeprefix("-")
        if (self.drafts.source.parent / file).is_file():
            self.keys.setdefault("env_file", []).append(file)
        else:
            self.note(entry, f"not imported: {file}, which is not there; add it as env_file")

    def restart(self, entry: Entry) -> None:
        self.when = RESTARTS.get(entry.value, "never")
        if self.when == "never" and entry.value != "no":
            self.note(entry, f"not understood: Restart={entry.value}")

    def restartsec(self, entry: Entry) -> None:
        self.delay_seconds = self._seconds(entry)

    def timeoutstartsec(self, entry: Entry) -> None:
        self.keys["start_timeout"] = duration(self._seconds(entry))

    def timeoutstopsec(self, entry: Entry) -> None:
        self.keys["stop_timeout"] = duration(self._seconds(entry))

    def timeoutsec(self, entry: Entry) -> None:
        self.timeoutstartsec(entry)
        self.timeoutstopsec(entry)

    def killsignal(self, entry: Entry) -> None:
        name = entry.value.upper().removeprefix("SIG")
        if name in SIGNALS:
            self.keys["stop_signal"] = name
        else:
            self.note(entry, f"not understood: KillSignal={entry.value}")

    def _seconds(self, entry: Entry) -> float | None:
        parts = SPAN.findall(entry.value)
        if not parts or SPAN.sub("", entry.value) or any(unit not in UNIT_SECONDS for _, unit in parts):
            self.note(entry, f"not understood: {entry.key}={entry.value}")
            return None
        return sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts)


def _shell(words: tuple[str, ...]) -> str:
    """Words for a shell that fills `${NAME}` in and nothing else."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if not VARIABLE.search(word):
        return shlex.quote(word)
    return '"' + re.sub(r'(["\\`])', r"\\\1", word) + '"'


MAPPED: dict[str, Callable[[_Unit, Entry], None]] = {
    "ExecStart": _Unit.execstart,
    "ExecStartPre": _Unit.execstartpre,
    "Type": _Unit.type,
    "WorkingDirectory": _Unit.workingdirectory,
    "User": _Unit.user,
    "Environment": _Unit.environment,
    "EnvironmentFile": _Unit.environmentfile,
    "Restart": _Unit.restart,
    "RestartSec": _Unit.restartsec,
    "TimeoutStartSec": _Unit.timeoutstartsec,
    "TimeoutStopSec": _Unit.timeoutstopsec,
    "TimeoutSec": _Unit.timeoutsec,
    "KillSignal": _Unit.killsignal,
}

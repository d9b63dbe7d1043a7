"""What an importer makes of a foreign file: services for nexus.toml, and a note for each line that it left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from nexus.config.errors import ConfigurationError
from nexus.config.files import FILE_NAME, Configuration, parse
from nexus.config.services import NAME

BARE = re.compile(r"[A-Za-z0-9_-]+")
LINE_WIDTH = 110
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Note(msgspec.Struct, frozen=True):
    """Something that a person should know about the import; `service` is empty where it is about the whole file.

    `file` is named where it is another one than the one that was imported.
    """

    text: str
    line: int | None = None
    service: str = ""
    file: str = ""


class Drafted(msgspec.Struct, frozen=True):
    """A service as a table of nexus.toml."""

    name: str
    keys: dict[str, Any]


class Imported(msgspec.Struct, frozen=True):
    """A foreign file as services: `notes` name every line of it that has no place in them, and what was inferred."""

    source: Path
    kind: str
    services: tuple[Drafted, ...]
    notes: tuple[Note, ...] = ()

    def says(self, note: Note) -> str:
        """A note with its place: `Procfile:3: …`."""
        file = note.file or self.source.name
        place = file if note.line is None else f"{file}:{note.line}"
        about = f" {note.service}:" if note.service else ""
        return f"{place}:{about} {note.text}"

    def toml(self) -> str:
        """The nexus.toml that it makes, each note a comment."""
        lines = [f"# Imported from {self.source.name} ({self.kind}).", ""]
        general = [note for note in self.notes if not note.service]
        if general:
            lines += [f"# {self.says(note)}" for note in general] + [""]
        for service in self.services:
            lines += [f"# {self.says(note)}" for note in self.notes if note.service == service.name]
            lines += [*_table(service), ""]
        return "\n".join(lines)

    def configuration(self, environment: Mapping[str, str] | None = None) -> Configuration:
        """The configuration that this nexus.toml gives; raises ConfigurationError where it can't be used."""
        return parse(self.source.absolute().parent / FILE_NAME, self.toml(), environment)


class Drafts:
    """Collects the services and the notes of one foreign file."""

    def __init__(self, source: Path, kind: str) -> None:
        self.source, self.kind = source, kind
        self.services: dict[str, dict[str, Any]] = {}
        self.notes: list[Note] = []
        self.reading = ""
        """The file that is read now, where it is another one that the first one names."""

    def note(self, text: str, line: int | None = None, service: str = "") -> None:
        """Say something about a line."""
        self.notes.append(Note(" ".join(text.split()), line, service, self.reading))

    def name(self, wanted: str, line: int | None = None) -> str:
        """A name for a service that nexus.toml allows and that is free; a change is noted."""
        slug = re.sub(r"[^a-z0-9_-]+", "-", wanted.lower()).strip("-_") or "service"
        name, number = slug, 2
        while name in self.services:
            name, number = f"{slug}-{number}", number + 1
        if name != wanted:
            self.note(f"{wanted} is called {name} here", line, name)
        assert NAME.fullmatch(name)
        return name

    def add(self, name: str, keys: Mapping[str, Any]) -> None:
        """Add a service; keys of None or without content are left out."""
        ordered = {"command": keys.get("command"), **keys}
        self.services[name] = {key: value for key, value in ordered.items() if value not in (None, {}, [], "")}

    def done(self) -> Imported:
        """What was collected, without what nexus.toml would refuse."""
        self.reading = ""
        taken: dict[tuple[int, str], str] = {}
        for name, keys in self.services.items():
            self._keep_free_ports(name, keys, taken)
        services = tuple(filter(None, (self._usable(name, keys) for name, keys in self.services.items())))
        return Imported(self.source, self.kind, services, tuple(self.notes))

    def _usable(self, name: str, keys: dict[str, Any]) -> Drafted | None:
        """The service without what nexus.toml would refuse of it; None where it would refuse it whole."""
        while True:
            self.add(name, keys)
            service = Drafted(name, dict(self.services[name]))
            alone = Drafted(name, {key: value for key, value in service.keys.items() if key != "depends_on"})
            try:
                parse(self.source.absolute().parent / FILE_NAME, "\n".join(_table(alone)), {})
            except ConfigurationError as error:
                place = error.key.removeprefix(f"services.{name}").removeprefix(".")
                self.note(
                    f"not imported: {place or 'all of it'}: expected {error.expected}; found {error.found}", None, name
                )
                if not _removed(keys, place):
                    return None
            else:
                return service

    def _keep_free_ports(self, name: str, keys: dict[str, Any], taken: dict[tuple[int, str], str]) -> None:
        """Leave out the ports that a service before it has."""
        ports = {**keys.get("ports", {}), **({"": keys["port"]} if "port" in keys else {})}
        for key, request in ports.items():
            table = request if isinstance(request, dict) else {"fixed": request}
            number, protocol = table.get("fixed"), table.get("protocol", "tcp")
            holder = taken.setdefault((number, protocol), name) if isinstance(number, int) else name
            if holder != name:
                self.note(f"not imported: port {number}, which {holder} has too", None, name)
                del (keys["ports"] if key else keys)[key or "port"]

    def error(self, expected: str, found: str, line: int | None = None) -> ConfigurationError:
        """The error to raise where the file can't be read at all."""
        return ConfigurationError(self.source, expected, found, "Mend it, then import it again.", line=line)


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files in a folder, or below it, that a foreign file names by a pattern; none where it is no such pattern."""
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError):
        return []


def read_text(source: Path) -> str:
    """A foreign file; raises ConfigurationError where it can't be read."""
    try:
        return source.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "bytes that are not UTF-8"
        raise ConfigurationError(source, "a readable file", found, "Name another file.") from error


def _removed(keys: dict[str, Any], place: str) -> bool:
    """Whether a key could be taken out that a service can do without."""
    first, _, rest = place.partition(".")
    if first == "environment" and rest in keys.get(first, {}):
        del keys[first][rest]
        return True
    first = first.partition("[")[0]
    return first != "command" and keys.pop(first, None) is not None


# -- writing TOML ------------------------------------------------------------------------------------


def _table(service: Drafted) -> Iterable[str]:
    base = f"services.{service.name}"
    yield f"[{base}]"
    later = []
    for key, value in service.keys.items():
        line = f"{key} = {toml_value(value)}"
        if isinstance(value, dict) and len(line) > LINE_WIDTH:
            later.append(key)
        else:
            yield line
    for key in later:
        yield f"[{base}.{key}]"
        yield from (f"{_key(name)} = {toml_value(value)}" for name, value in service.keys[key].items())


def toml_value(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return f'"{"".join(_escaped(letter) for letter in value)}"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {toml_value(item)}" for name, item in value.items()) + " }"
    return f"[{', '.join(toml_value(item) for item in value)}]"


def _key(name: str) -> str:
    return name if BARE.fullmatch(name) else toml_value(name)


def _escaped(letter: str) -> str:
    return ESCAPES.get(letter) or (letter if letter >= " " and letter != "\x7f" else f"\\u{ord(letter):04x}")

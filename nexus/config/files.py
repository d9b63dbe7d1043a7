"""nexus.toml: found, read (everything it says, or one error and nothing), first written; and the home beside it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from events.catalog import PortPool, Service
from nexus.config import keys
from nexus.config.checks import check_cycles, check_placeholders, check_ports, connected
from nexus.config.environment import inherited
from nexus.config.errors import ConfigurationError, described
from nexus.config.lines import lines_of
from nexus.config.reader import Reader, Source
from nexus.config.services import Private, read_service
from nexus.config.values import address_of, bytes_of, is_port, range_of, seconds_of

POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")

FILE_NAME = "nexus.toml"
HOME_NAME = ".nexus"

STARTER = """\
# What runs here. `nexus up` starts it, `nexus status` shows it; every key: docs/reference/configuration.md of Nexus.

[nexus]
http = "auto"                      # where the page and the API are served, or "127.0.0.1:7777"

# One table for each service:

# [services.database]
# command = "postgres -D {data} -p {port}"    # {data} is a directory of its own, {port} the port it got
# port = "auto"                               # or a number
# health = { postgres = true, interval = "5s" }

# [services.web]
# command = "python app.py"                   # PORT is in its environment
# port = "auto"
# depends_on = ["database"]                   # started when the database is healthy
# health = { http = "/health" }
# environment = { DATABASE_URL = "{services.database.url}" }
# restart = { delays = ["1s", "2s", "4s"], then = "alert and stop dependents" }
"""


class Settings(msgspec.Struct, frozen=True):
    """What `[nexus]` says; `http` and `gateway` are "auto", "off" (gateway only) or host and port."""

    http: str = "auto"
    gateway: str = "off"
    pool: PortPool = PortPool()
    log_size_bytes: int = bytes_of(keys.LOG_SIZE_DEFAULT) or 0
    samples_size_bytes: int = bytes_of(keys.SAMPLES_SIZE_DEFAULT) or 0
    samples_keep_seconds: float = seconds_of(keys.SAMPLES_KEEP_DEFAULT) or 0.0
    gateway_hosts: tuple[str, ...] = ()
    gateway_tls: bool = False
    watch: bool = False


class Configuration(msgspec.Struct, frozen=True):
    """A whole nexus.toml: `declared` may be recorded, `private` never.

    `notes` say in words what is declared and has no effect yet.
    """

    project: str
    path: Path
    settings: Settings
    declared: dict[str, Service]
    private: dict[str, Private]
    notes: tuple[str, ...] = ()

    @property
    def pool(self) -> PortPool:
        """The ports that Nexus may choose from."""
        return self.settings.pool

    @property
    def folder(self) -> Path:
        """The folder that paths are relative to."""
        return self.path.parent


def load(path: Path, environment: Mapping[str, str] | None = None) -> Configuration:
    """The configuration in `path`; `environment` is the supervisor's, by default that of this process.

    Raises ConfigurationError for the first thing that is wrong.
    """
    path = path.absolute()
    return parse(path, _read(path), environment)


def parse(path: Path, text: str, environment: Mapping[str, str] | None = None) -> Configuration:
    """The same of a text that stands, or is going to stand, in `path`."""
    source, document = _parsed(path, text)
    return _configuration(source, document, inherited(os.environ if environment is None else environment))


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise ConfigurationError(
            path, "a readable file", found, "Name another file, or write one with `nexus init`."
        ) from error
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            path, "text in UTF-8", f"the byte 0x{content[error.start]:02x}", "Save the file as UTF-8.", line=line
        ) from error


def _parsed(path: Path, text: str) -> tuple[Source, dict[str, Any]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, position = str(error), POSITION.search(str(error))
        line = int(position[1]) if position and position[1] else max(1, len(text.splitlines()))
        found = POSITION.sub("", message)
        raise ConfigurationError(
            path,
            "valid TOML",
            found[:1].lower() + found[1:],
            "Mend this line; see toml.io for what TOML looks like.",
            line=line,
        ) from error
    return Source(path, lines_of(text)), document


def _configuration(source: Source, document: dict[str, Any], environment: Mapping[str, str]) -> Configuration:
    top = Reader(source, (), document, keys.TOP)
    settings_reader = top.reader("nexus", keys.NEXUS)
    settings = _settings(settings_reader)
    tables = top.subtable("services")
    read = {name: read_service(source, name, table, source.file.parent) for name, table in tables.items()}
    services = connected(source, read)
    check_cycles(source, services)
    check_ports(source, services, {"http": address_of(settings.http), "gateway": address_of(settings.gateway)})
    check_placeholders(source, services)
    return Configuration(
        project=settings_reader.text("project", source.file.parent.name or "nexus"),
        path=source.file,
        settings=settings,
        declared={name: private.public(environment) for name, private in services.items()},
        private=services,
        notes=tuple(note for one in read.values() for note in one.notes),
    )


def _settings(reader: Reader) -> Settings:
    default = Settings()
    http, gateway = reader.text("http", default.http), reader.text("gateway", default.gateway)
    if http != "auto" and address_of(http) is None:
        raise reader.malformed("http")
    if gateway not in ("auto", "off") and address_of(gateway) is None:
        raise reader.malformed("gateway")
    return Settings(
        http, gateway, _pool(reader), _size(reader, "log_size", default.log_size_bytes),
        _size(reader, "samples_size", default.samples_size_bytes),
        reader.seconds("samples_keep", default.samples_keep_seconds, positive=True),
        _hosts(reader), reader.flag("gateway_tls", default.gateway_tls), reader.flag("watch", default.watch),
    )  # fmt: skip


def _hosts(reader: Reader) -> tuple[str, ...]:
    hosts = reader.texts("gateway_hosts")
    for place, host in enumerate(hosts):
        if not HOST.fullmatch(host):
            raise reader.malformed("gateway_hosts", place, found=described(host))
    return hosts


def _size(reader: Reader, key: str, default_bytes: int) -> int:
    size = bytes_of(reader.table.get(key, default_bytes))
    if size is None:
        raise reader.malformed(key)
    return size


def _pool(reader: Reader) -> PortPool:
    ends = range_of(reader.table.get("pool", f"{keys.POOL_DEFAULTS.first}-{keys.POOL_DEFAULTS.last}"))
    if ends is None:
        raise reader.malformed("pool")
    excluded: set[int] = set()
    listed = reader.table.get("excluded_ports", [])
    if not isinstance(listed, list):
        raise reader.malformed("excluded_ports")
    for place, item in enumerate(listed):
        between = (item, item) if is_port(item) else range_of(item)
        if between is None:
            raise reader.malformed("excluded_ports", place, found=described(item))
        excluded.update(range(between[0], between[1] + 1))
    if excluded.issuperset(range(ends[0], ends[1] + 1)):
        raise reader.malformed("excluded_ports", found="the whole pool", next_step="Leave some ports to choose from.")
    return PortPool(*ends, tuple(sorted(excluded)))


# -- places ------------------------------------------------------------------------------------


def find(start: Path) -> Path | None:
    """The nexus.toml in `start` or in the nearest folder above it."""
    start = start.absolute()
    return next((folder / FILE_NAME for folder in (start, *start.parents) if (folder / FILE_NAME).is_file()), None)


def worktree_of(folder: Path) -> str:
    """The name of the linked git worktree that a folder lies in; empty in a main checkout, and outside of git."""
    for place in (folder, *folder.parents):
        marker = place / ".git"
        if marker.is_dir():
            return ""
        if marker.is_file():
            try:
                target = marker.read_text().partition("gitdir:")[2].strip()
            except (OSError, UnicodeDecodeError):
                return ""
            parent, _, name = target.replace("\\", "/").rpartition("/")
            return name if parent.endswith("/worktrees") else ""
    return ""


def home_for(path: Path | None, override: str | Path | None = None) -> Path:
    """The home of the project whose nexus.toml, or folder, is `path`; `override` is `--home` or NEXUS_HOME.

    Touches nothing. Raises ConfigurationError where there is neither.
    """
    if override:
        return Path(override).expanduser().absolute()
    if path is None:
        raise ConfigurationError(
            Path.cwd() / FILE_NAME, "a nexus.toml here or in a folder above", "none",
            "Go to your project, name a home with --home, or write a first file with `nexus init`.",
        )  # fmt: skip
    return (path if path.is_dir() else path.parent).absolute() / HOME_NAME


def make_home(home: Path, network: str | None = None) -> None:
    """Create a home where it is missing; `network` names the network file system that it would be on, if any.

    Raises ConfigurationError where it can't be used.
    """
    if network:
        raise ConfigurationError(
            home, "a directory on a local disk", f"the network file system {network}",
            "Name a local one with --home or NEXUS_HOME: the event log needs locks that network file systems break.",
        )  # fmt: skip
    try:
        # Services of other users pass through it to their data; what is inside guards itself.
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        ignored = home / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n")
    except OSError as error:
        raise ConfigurationError(
            home, "a directory that can be written", (error.strerror or str(error)).lower(),
            "Name another one with --home or NEXUS_HOME.",
        ) from error  # fmt: skip


def init(path: Path, text: str = STARTER) -> Path:
    """Write a first nexus.toml at `path`, or in it where it is a folder; raises ConfigurationError where one is."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        with file.open("x", encoding="utf-8") as output:
            output.write(text)
    except OSError as error:
        found = "one that is already there" if isinstance(error, FileExistsError) else (error.strerror or "").lower()
        raise ConfigurationError(
            file, "to write a new file", found, "Remove it first, or name another path."
        ) from error
    return file

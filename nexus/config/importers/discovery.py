"""Finds what a folder says of its services, in whatever format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nexus.config.errors import ConfigurationError
from nexus.config.importers import compose, package_json, pm2, procfile, replit, supervisord, systemd
from nexus.config.importers.drafts import Imported, Note

PM2_NAMES = ("ecosystem.config", "ecosystem", "pm2.config", "pm2", "process")
Importer = Callable[[Path], Imported]

IMPORTERS: tuple[tuple[str, tuple[str, ...], Importer], ...] = (
    ("Procfile", ("Procfile", "Procfile.*"), procfile.read),
    ("Compose file", compose.FILES, compose.read),
    ("package.json", ("package.json",), package_json.read),
    (".replit", (".replit",), replit.read),
    (
        "supervisord configuration",
        ("supervisord.conf", "supervisor.conf", "supervisord.ini", "*supervisor*.conf", "*supervisor*.ini"),
        supervisord.read,
    ),
    (
        "pm2 ecosystem file",
        tuple(f"{name}.{suffix}" for name in PM2_NAMES for suffix in ("js", "cjs", "mjs", "json", "yml", "yaml")),
        pm2.read,
    ),
    ("systemd unit", ("*.service",), systemd.read),
)
"""Each format: its name, the files that it is looked for in, best first, and what reads it. Best format first."""
MORE_NAMES: tuple[tuple[str, Importer], ...] = (
    ("*compose*.y*ml", compose.read),
    ("*ecosystem*.*", pm2.read),
    ("*.Procfile", procfile.read),
)
"""Further names that a file is known by when a person names it."""


def import_file(source: Path) -> Imported:
    """What a foreign file says; raises ConfigurationError where it can't be read or is of no known kind."""
    name = Path(source.name)
    known = [(pattern, read) for _, patterns, read in IMPORTERS for pattern in patterns]
    for pattern, read in (*known, *MORE_NAMES):
        if name.match(pattern):
            return read(source)
    kinds = ", ".join(f"{kind} ({patterns[0]})" for kind, patterns, _ in IMPORTERS)
    raise ConfigurationError(source, f"one of {kinds}", "a file of another name", "Rename it to one of these.")


def discover(folder: Path) -> list[Imported]:
    """What each format's best file in a folder says, the best first; a file that can't be read says so in a note.

    Units of systemd are all read, for each has one service only.
    """
    found = []
    for kind, patterns, read in IMPORTERS:
        files = [path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file()]
        for file in dict.fromkeys(files) if read is systemd.read else files[:1]:
            try:
                imported = read(file)
            except ConfigurationError as error:
                imported = Imported(file, kind, (), (Note(f"not imported: found {error.found}", error.line),))
            found.append(imported)
    return found

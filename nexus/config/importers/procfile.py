"""Procfiles, as Heroku, foreman and their kin read them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from nexus.config.importers.drafts import Drafts, Imported, read_text
from nexus.config.importers.shell import understood

LINE = re.compile(r"([A-Za-z0-9_.-]+)\s*:\s*(.+)")
RELEASE = "release"
ENV_FILE = ".env"


def read(source: Path) -> Imported:
    """One service for each line; `release` becomes a task that the others wait for. Raises ConfigurationError."""
    drafts = Drafts(source, "Procfile")
    env_file = ENV_FILE if (source.parent / ENV_FILE).is_file() else None
    entries = [(number, *entry) for number, entry in enumerate(_entries(drafts, read_text(source)), 1) if entry]
    release = next((name for _, name, _ in entries if name.lower() == RELEASE), None)
    for number, wanted, text in entries:
        name, line = drafts.name(wanted, number), understood(text)
        keys = line.keys(port="auto" if wanted == "web" else None)
        keys["env_file"] = env_file
        if wanted == release:
            keys |= {"task": True, "port": None}
            drafts.note("Heroku runs release before a deployment: here it is a task that the others wait for", number)
        elif release:
            keys["depends_on"] = [RELEASE]
        _explain(drafts, number, name, wanted, keys["port"], uses_port=line.uses_port)
        if not _closes_its_quotes(text):
            drafts.note("not understood: a quote that is not closed", number, name)
        drafts.add(name, keys)
    return drafts.done()


def _entries(drafts: Drafts, text: str) -> list[tuple[str, str] | None]:
    """Name and command of each line, None where it has none."""
    entries: list[tuple[str, str] | None] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        match = LINE.fullmatch(bare)
        if match is None and bare and not bare.startswith("#"):
            drafts.note(f"not understood: {bare}", number)
        entries.append((match[1], match[2]) if match and not bare.startswith("#") else None)
    return entries


def _closes_its_quotes(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True


def _explain(drafts: Drafts, number: int, name: str, wanted: str, port: object, *, uses_port: bool) -> None:
    """Where its port comes from."""
    if uses_port or port is None:
        return
    if isinstance(port, int):
        drafts.note(
            f'its command names port {port}; write {{port}} there and "auto" here to let Nexus choose', number, name
        )
    elif wanted == "web":
        drafts.note("a web process is expected to listen on PORT; remove port where it does not", number, name)

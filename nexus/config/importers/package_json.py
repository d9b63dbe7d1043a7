"""The scripts of package.json, those of workspaces too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nexus.config.importers.drafts import Drafts, Imported, matching, read_text
from nexus.config.importers.javascript import parse_literal
from nexus.config.importers.shell import understood
from nexus.config.importers.yaml_lines import parse_yaml

STAYS = re.compile(r"(?:start|dev|serve|server|develop|watch|worker|preview)(?:[:-][\w:-]+)?")
"""The names of scripts that go on running; `build`, `test` and the like end."""
FIRST = ("dev", "start", "develop", "serve", "server")
"""Of several ways to start one thing, this one is started first."""
OUTER = re.compile(
    r"(?<![\w-])(?:concurrently|npm-run-all|run-p|run-s|turbo|lerna|nx|wireit)\s|\bpnpm\b.*\s-r\b|--workspaces\b"
)
READS_PORT = re.compile(r"\b(?:next\s+(?:dev|start)|react-scripts\s+start|nuxt\s+(?:dev|start)|remix-serve|serve)\b")
TAKES_PORT = re.compile(
    r"\b(?:vite(?!st)(?!\s+build)|astro\s+(?:dev|preview)|ng\s+serve|vue-cli-service\s+serve|webpack(?:-dev-server|\s+serve)|parcel)\b"
)
VITE = re.compile(r"\bvite\b")
LOCKS = (
    ("pnpm-lock.yaml", "pnpm"), ("pnpm-workspace.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
)  # fmt: skip


def read(source: Path) -> Imported:
    """One service for each script that goes on running; raises ConfigurationError where the file can't be read."""
    drafts = Drafts(source, "package.json")
    document, lines = parse_literal(drafts, read_text(source))
    if not isinstance(document, dict):
        raise drafts.error("an object", "something else", 1)
    manager = _manager(source.parent, document)
    inner = list(_workspaces(source, document))
    _Package(drafts, source, document, lines, manager, workspaces=bool(inner)).add()
    for file in inner:
        inner_document, inner_lines = parse_literal(Drafts(file, "package.json"), read_text(file))
        if isinstance(inner_document, dict):
            drafts.reading = file.relative_to(source.parent).as_posix()
            _Package(drafts, file, inner_document, inner_lines, manager).add()
    return drafts.done()


def _manager(folder: Path, document: dict[str, Any]) -> str:
    named = str(document.get("packageManager", "")).partition("@")[0]
    return named or next((manager for lock, manager in LOCKS if (folder / lock).exists()), "npm")


def _workspaces(source: Path, document: dict[str, Any]) -> Iterator[Path]:
    """The package.json of each workspace, in order."""
    given = document.get("workspaces", [])
    patterns = given.get("packages", []) if isinstance(given, dict) else given
    pnpm = source.parent / "pnpm-workspace.yaml"
    if pnpm.is_file():
        listed, _ = parse_yaml(Drafts(pnpm, "pnpm workspace"), read_text(pnpm))
        patterns = listed.get("packages", []) if isinstance(listed, dict) else []
    found: dict[Path, None] = {}
    for pattern in patterns if isinstance(patterns, list) else []:
        text = str(pattern)
        if text.startswith("!"):
            for path in matching(source.parent, f"{text[1:].rstrip('/')}/package.json"):
                found.pop(path, None)
        else:
            paths = matching(source.parent, f"{text.removeprefix('./').rstrip('/')}/package.json")
            found |= dict.fromkeys(path for path in paths if "node_modules" not in path.parts)
    yield from found


class _Package:
    """One package.json on its way to nexus.toml."""

    def __init__(
        self,
        drafts: Drafts,
        file: Path,
        document: dict[str, Any],
        lines: dict[Any, int],
        manager: str,
        *,
        workspaces: bool = False,
    ) -> None:
        self.drafts, self.lines, self.manager, self.workspaces = drafts, lines, manager, workspaces
        self.outer = file == drafts.source
        self.directory = "" if self.outer else file.parent.relative_to(drafts.source.parent).as_posix()
        scripts = document.get("scripts")
        scripts = scripts if isinstance(scripts, dict) else {}
        self.scripts = {name: text for name, text in scripts.items() if isinstance(text, str)}
        self.label = "" if self.outer else str(document.get("name", file.parent.name)).rpartition("/")[2]

    def add(self) -> None:
        """A service for each script that stays; the first of them is started, the others are there to choose."""
        stays = [name for name in self.scripts if STAYS.fullmatch(name) and not self._composed_by_hooks(name)]
        alone = [name for name in stays if not (self.workspaces and OUTER.search(self.scripts[name]))]
        first = next((name for name in FIRST if name in alone), alone[0] if alone else None)
        left_out = [name for name in self.scripts if name not in stays]
        if left_out:
            line = self.lines.get(("scripts", left_out[0]))
            self.drafts.note(f"not taken for services: {', '.join(left_out)}", line)
        for script in stays:
            self._script(script, len(stays) > 1, starts=script == first)

    def _composed_by_hooks(self, name: str) -> bool:
        return name.startswith(("pre", "post")) and name.removeprefix("pre").removeprefix("post") in self.scripts

    def _script(self, script: str, several: bool, *, starts: bool) -> None:
        text, line = self.scripts[script], self.lines.get(("scripts", script))
        wanted = "-".join(filter(None, [self.label, script.replace(":", "-") if several or self.outer else ""]))
        name = self.drafts.name(wanted, line)
        parsed = understood(text)
        words = [self.manager, "run", script]
        port: str | int | None = None
        if OUTER.search(text):
            self.drafts.note(f"it runs several programs as one: {text}", line, name)
        elif parsed.uses_port or READS_PORT.search(text):
            port = "auto"
            self.drafts.note(f"it listens on PORT: {text}", line, name)
        elif parsed.listens_on:
            port = parsed.listens_on
            self.drafts.note(f"it names port {port}: {text}", line, name)
        elif TAKES_PORT.search(text):
            port = "auto"
            strict = ["--strictPort"] if VITE.search(text) else []
            words += [*(["--"] if self.manager == "npm" else []), "--port", "{port}", *strict]
            self.drafts.note(f"it takes its port as --port: {text}", line, name)
        else:
            self.drafts.note(f"no port was found in: {text}", line, name)
        if not starts:
            self.drafts.note("not started by itself: there are other scripts for that", line, name)
        self.drafts.add(
            name,
            {"command": " ".join(words), "directory": self.directory, "port": port}
            | ({} if starts else {"autostart": False}),
        )

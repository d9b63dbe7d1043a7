"""pm2's ecosystem files, written in JavaScript, JSON or YAML."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from nexus.config.importers.compose_values import duration
from nexus.config.importers.drafts import Drafts, Imported, read_text
from nexus.config.importers.javascript import Expression, parse_literal
from nexus.config.importers.shell import command_value, understood
from nexus.config.importers.yaml_lines import parse_yaml
from nexus.config.lines import KeyPath
from nexus.config.templates import literal
from nexus.config.values import is_port, seconds_of

INTERPRETERS = {
    ".js": "node", ".cjs": "node", ".mjs": "node", ".py": "python3", ".sh": "bash", ".rb": "ruby", ".php": "php",
    ".pl": "perl", ".ts": "bun", ".coffee": "coffee",
}  # fmt: skip
SCRIPTS = ("script", "cmd")
ARGUMENTS = ("args", "node_args", "interpreter_args", "interpreter", "nodeArgs", "interpreterArgs")
MAX_RESTARTS = 16
FROM_ENVIRONMENT = re.compile(r"""process\.env\.(\w+)(?:\s*(?:\|\||\?\?)\s*["']([^"'{}$]*)["'])?""")


def read(source: Path) -> Imported:
    """One service for each app; raises ConfigurationError where the file is no list of apps."""
    drafts = Drafts(source, "pm2 ecosystem file")
    text = read_text(source)
    document, lines = (parse_yaml if source.suffix in (".yml", ".yaml") else parse_literal)(drafts, text)
    drafts.note("restarts wait 1 s, 2 s, 4 s unless an app says otherwise: pm2 waits for nothing")
    base: KeyPath = ()
    apps = document
    if isinstance(document, dict) and "apps" in document:
        base, apps = ("apps",), document["apps"]
        for key in document:
            if key != "apps":
                drafts.note(f"not imported: {key}", lines.get((key,)))
    single = isinstance(apps, dict)
    if not isinstance(apps, list) and not single:
        raise drafts.error("a list of apps, written out", "something that only running it would tell")
    for place, app in enumerate([apps] if single else apps):
        path = base if single else (*base, place)
        if isinstance(app, dict) and any(map(_is_command, map(app.get, SCRIPTS))):
            _App(drafts, lines, path, app).add()
        else:
            drafts.note("not understood: an app without a script that is written out", lines.get(path))
    return drafts.done()


def _is_command(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


class _App:
    """One app on its way to nexus.toml."""

    def __init__(self, drafts: Drafts, lines: dict[KeyPath, int], path: KeyPath, app: dict[str, Any]) -> None:
        self.drafts, self.lines, self.path, self.app = drafts, lines, path, app
        self.script = next(str(app[key]) for key in SCRIPTS if _is_command(app.get(key)))
        given = app.get("name")
        name = given if isinstance(given, str) else PurePosixPath(self.script.split()[0]).stem or "app"
        self.name = drafts.name(name, lines.get(path))
        self.keys: dict[str, Any] = {}
        self.restart: dict[str, Any] = {"attempts_max": MAX_RESTARTS}

    def note(self, text: str, *key: str) -> None:
        self.drafts.note(text, self.lines.get((*self.path, *key), self.lines.get(self.path)), self.name)

    def add(self) -> None:
        """Map each key."""
        self.keys = self._command()
        for key, value in self.app.items():
            if key in (*SCRIPTS, *ARGUMENTS, "name"):
                continue
            handler = MAPPED.get(key)
            if isinstance(value, Expression):
                self.note(f"not understood: {value.text if key.startswith('...') else f'{key}: {value.text}'}", key)
            elif handler is None or handler(self, value) is False:
                self.note(f"not imported: {key}", key)
        self.keys["restart"] = self.restart.get("when") or self.restart
        self.drafts.add(self.name, self.keys)

    def _words(self, *names: str) -> list[str]:
        words: list[str] = []
        for name in names:
            value = self.app.get(name, [])
            if isinstance(value, str):
                try:
                    words += shlex.split(value)
                    continue
                except ValueError:
                    value = Expression(value)
            if isinstance(value, list) and all(isinstance(word, str | int | float) for word in value):
                words += map(str, value)
            else:
                self.note(f"not understood: {name}", name)
        return words

    def _command(self) -> dict[str, Any]:
        arguments = self._words("args")
        if " " in self.script and not arguments:
            return understood(self.script).keys()
        interpreter = self.app.get("interpreter") or INTERPRETERS.get(PurePosixPath(self.script).suffix, "")
        if not interpreter and self.script.endswith("/"):
            interpreter = "node"
        if isinstance(interpreter, Expression) or "@" in interpreter:
            self.note("not understood: the version of the interpreter", "interpreter")
            interpreter = "node"
        before = [] if interpreter in ("", "none") else [interpreter]
        words = [*before, *self._words("node_args", "nodeArgs", "interpreter_args", "interpreterArgs"), self.script]
        return {"command": command_value(tuple(map(literal, [*words, *arguments])))}

    # -- what has a place in nexus.toml ----------------------------------------------------------------

    def cwd(self, value: Any) -> None:
        self.keys["directory"] = literal(str(value))

    def env(self, value: Any) -> bool | None:
        if not isinstance(value, dict):
            return False
        environment = {}
        for name, item in value.items():
            if name == "PORT" and str(item).isdigit() and is_port(int(item)):
                self.keys["port"] = int(item)
                self.note('it listens on the port of its PORT; write port = "auto" to let Nexus choose', "env", name)
            elif isinstance(item, Expression) and (taken := FROM_ENVIRONMENT.fullmatch(item.text)):
                environment[name] = f"${{{taken[1]}:-{literal(taken[2] or '', variables=True)}}}"
            elif isinstance(item, str | int | float):
                text = str(item).lower() if isinstance(item, bool) else str(item)
                environment[name] = literal(text, variables=True)
            else:
                self.note(f"not understood: {name}", "env", name)
        self.keys["environment"] = environment
        return None

    def env_file(self, value: Any) -> None:
        self.keys["env_file"] = str(value)

    def instances(self, value: Any) -> bool | None:
        if isinstance(value, int) and value == 1:
            return None
        self.note(f"one instance instead of {value}: pm2's share a port, which those of Nexus do not", "instances")
        return None

    def exec_mode(self, value: Any) -> bool | None:
        return None if value in ("fork", "fork_mode") or "instances" in self.app else False

    def autorestart(self, value: Any) -> None:
        if value is False:
            self.restart["when"] = "never"

    def max_restarts(self, value: Any) -> bool | None:
        if not isinstance(value, int) or value < 0:
            return False
        self.restart["attempts_max"] = value
        return None

    def restart_delay(self, value: Any) -> bool | None:
        return self._milliseconds(value, lambda text: self.restart.update(delays=[text]))

    def min_uptime(self, value: Any) -> bool | None:
        return self._milliseconds(value, lambda text: self.restart.update(reset_after=text))

    def kill_timeout(self, value: Any) -> bool | None:
        return self._milliseconds(value, lambda text: self.keys.update(stop_timeout=text))

    def listen_timeout(self, value: Any) -> bool | None:
        return self._milliseconds(value, lambda text: self.keys.update(start_timeout=text))

    def autostart(self, value: Any) -> None:
        if value is False:
            self.keys["autostart"] = False

    def user(self, value: Any) -> None:
        self.keys["user"] = str(value)

    def _milliseconds(self, value: Any, keep: Callable[[str], None]) -> bool | None:
        """Keep a duration, of which pm2 writes a number in milliseconds."""
        seconds = value / 1000 if isinstance(value, int | float) and value >= 0 else seconds_of(value)
        text = duration(seconds) if seconds else None
        if text is None:
            return False
        keep(text)
        return None


MAPPED: dict[str, Callable[[_App, Any], bool | None]] = {
    "cwd": _App.cwd,
    "env": _App.env,
    "env_file": _App.env_file,
    "instances": _App.instances,
    "exec_mode": _App.exec_mode,
    "autorestart": _App.autorestart,
    "autostart": _App.autostart,
    "max_restarts": _App.max_restarts,
    "restart_delay": _App.restart_delay,
    "min_uptime": _App.min_uptime,
    "kill_timeout": _App.kill_timeout,
    "listen_timeout": _App.listen_timeout,
    "user": _App.user,
    "uid": _App.user,
}

"""The .replit file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from nexus.config.importers.drafts import Drafts, Imported, read_text
from nexus.config.importers.shell import command_value, understood
from nexus.config.lines import KeyPath, lines_of
from nexus.config.templates import VARIABLE, literal
from nexus.config.values import is_port

RUNS = ("run", "workflows")
MAPPED = frozenset(["env", "ports", *RUNS])


def read(source: Path) -> Imported:
    """One service for each command of the workflows, or for `run`; raises ConfigurationError."""
    drafts = Drafts(source, ".replit")
    text = read_text(source)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise drafts.error("valid TOML", str(error)) from error
    file = _File(drafts, document, lines_of(text))
    file.add()
    return drafts.done()


class _File:
    """A .replit file on its way to nexus.toml."""

    def __init__(self, drafts: Drafts, document: dict[str, Any], lines: dict[KeyPath, int]) -> None:
        self.drafts, self.document, self.lines = drafts, document, lines
        self.environment = self._environment()

    def add(self) -> None:
        """Map what runs, and name everything else."""
        for key in self.document:
            if key not in MAPPED:
                self.drafts.note(f"not imported: {key}", self.lines.get((key,)))
        given = self.document.get("workflows")
        given = given if isinstance(given, dict) else {}
        workflows = enumerate(tables_in(given.get("workflow")))
        listed = {str(one.get("name", place)): (place, one) for place, one in workflows}
        started = self._reached(listed, str(given.get("runButton", "")))
        for name, (place, workflow) in listed.items():
            self._workflow(name, place, workflow, starts=not started or name in started)
        if "run" in self.document:
            if self.drafts.services:
                self.drafts.note("not imported: run, for the workflows say what runs", self.lines.get(("run",)))
            else:
                self._run()
        self._ports()

    def _environment(self) -> dict[str, str]:
        given = self.document.get("env")
        environment = {}
        for name, value in (given if isinstance(given, dict) else {}).items():
            environment[name] = self._with_defaults(str(value))
        return environment

    def _with_defaults(self, text: str) -> str:
        """Replit takes a variable that is not set for empty."""
        parts = text.split("${")
        filled = [literal(parts[0], variables=True)]
        for part in parts[1:]:
            inside, brace, rest = part.partition("}")
            plain = VARIABLE.fullmatch(inside) and brace
            filled.append(
                f"${{{inside.partition(':-')[0]}:-{inside.partition(':-')[2]}}}{rest}" if plain else f"$${{{part}"
            )
        return "".join(filled)

    def _reached(self, listed: dict[str, tuple[int, dict[str, Any]]], button: str) -> set[str]:
        """The workflows that the Run button starts, those that they run included."""
        reached, waiting = set(), [button]
        while waiting:
            name = waiting.pop()
            if name in listed and name not in reached:
                reached.add(name)
                tasks = tables_in(listed[name][1].get("tasks"))
                waiting += [str(task.get("args")) for task in tasks if task.get("task") == "workflow.run"]
        return reached

    def _workflow(self, wanted: str, place: int, workflow: dict[str, Any], *, starts: bool) -> None:
        tasks = list(enumerate(tables_in(workflow.get("tasks"))))
        commands = [(number, task) for number, task in tasks if task.get("task") == "shell.exec" and task.get("args")]
        path: KeyPath = ("workflows", "workflow", place)
        for number, task in tasks:
            if task.get("task") not in ("shell.exec", "workflow.run"):
                line = self.lines.get((*path, "tasks", number, "task"))
                self.drafts.note(f"not imported: {task.get('task')} of {wanted}", line)
        parallel, before = workflow.get("mode") == "parallel", None
        for step, (number, task) in enumerate(commands, 1):
            line = self.lines.get((*path, "tasks", number, "args"), self.lines.get(path))
            last = parallel or number == commands[-1][0]
            suffix = "" if len(commands) == 1 or (last and not parallel) else f"-{step}"
            name = self.drafts.name(f"{wanted}{suffix}", line)
            port = task.get("waitForPort")
            keys = self._keys(str(task["args"]), port if is_port(port) else None)
            keys |= {} if last else {"task": True, "port": None}
            keys |= {"depends_on": [before]} if before and not parallel else {}
            if not starts:
                keys["autostart"] = False
                self.drafts.note("not started by itself: the Run button does not start it", line, name)
            self.drafts.add(name, keys)
            before = None if last else name

    def _keys(self, text: str, port: Any) -> dict[str, Any]:
        keys = understood(text).keys()
        keys["environment"] = {**self.environment, **keys["environment"]}
        if port is not None:
            keys["port"] = port
            keys["environment"].pop("PORT", None)
        return keys

    def _run(self) -> None:
        run, line = self.document["run"], self.lines.get(("run",))
        if isinstance(run, list) and run and all(isinstance(word, str) for word in run):
            name = self.drafts.name("app", line)
            keys = self._keys("true", None) | {"command": command_value(tuple(map(literal, run)))}
        elif isinstance(run, str) and run.strip():
            name, keys = self.drafts.name("app", line), self._keys(run, None)
        else:
            self.drafts.note("not understood: run", line)
            return
        ports = [port.get("localPort") for port in tables_in(self.document.get("ports"))]
        own = keys["environment"].pop("PORT", "")
        if own.isdigit() and is_port(int(own)):
            keys["port"] = int(own)
        elif keys["port"] is None and len(ports) == 1 and is_port(ports[0]):
            keys["port"] = ports[0]
        self.drafts.add(name, keys)

    def _ports(self) -> None:
        taken = {keys.get("port") for keys in self.drafts.services.values()}
        for place, port in enumerate(tables_in(self.document.get("ports"))):
            line = self.lines.get(("ports", place))
            local, outside = port.get("localPort"), port.get("externalPort")
            if not is_port(local):
                self.drafts.note("not understood: a port", line)
            elif local not in taken:
                self.drafts.note(f"not imported: port {local}, of which no command is known to listen on it", line)
            elif outside is not None:
                self.drafts.note(f"not imported: externalPort {outside}, which is Replit's own", line)


def tables_in(value: Any) -> list[dict[str, Any]]:
    """A list of tables; anything else in it counts as an empty one."""
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []

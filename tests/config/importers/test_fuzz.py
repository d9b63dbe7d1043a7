"""Foreign files with anything in the place of anything."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.config.errors import ConfigurationError
from nexus.config.importers import compose, package_json, pm2
from nexus.config.importers.discovery import import_file
from nexus.config.importers.drafts import toml_value

WORDS = st.sampled_from(
    ["a", "b", "1", "80", "80:80", "5s", "$A", "${A:-1}", "{port}", "app --port 80", "", "no", "x y"]
)
VALUES = st.recursive(
    WORDS | st.booleans() | st.none() | st.integers(-1, 70_000) | st.floats(0, 9).map(lambda number: round(number, 2)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def of(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Tables with these keys and anything in them."""
    return st.dictionaries(st.sampled_from(keys), VALUES, max_size=5)


DEPLOY = of(["replicas", "restart_policy", "resources", "placement"])
CHECK = of(["test", "interval", "timeout", "retries", "start_period", "disable"])
COMPOSE_KEYS = sorted(compose.MAPPED | {"image", "container_name", "pid", "fresh"})
COMPOSE = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(COMPOSE_KEYS, VALUES) | {"deploy": DEPLOY | VALUES, "healthcheck": CHECK | VALUES}
)
PM2 = of(sorted({*pm2.MAPPED, *pm2.SCRIPTS, *pm2.ARGUMENTS, "fresh"}))
TASK = of(["task", "args", "waitForPort"]) | st.just({"task": "shell.exec", "args": "app"})
WORKFLOW = st.fixed_dictionaries(
    {}, optional={"name": WORDS, "mode": WORDS, "tasks": st.lists(TASK, max_size=3) | VALUES}
)
REPLIT = st.fixed_dictionaries(
    {}, optional={"run": VALUES, "env": VALUES, "ports": VALUES, "workflows": of(["workflow", "runButton"])}
)
PACKAGE = st.fixed_dictionaries(
    {}, optional={"scripts": of(["dev", "start", "predev", "start:x", "build"]) | VALUES, "workspaces": VALUES}
)


def without_nulls(value: Any) -> Any:
    """The same without what TOML has no word for."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


def survives(name: str, text: str) -> None:
    """It is refused as a whole, or gives a file that Nexus can use, with a note for what it could not."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(text)
        try:
            imported = import_file(file)
        except ConfigurationError:
            return
        names = [service.name for service in imported.services]
        if not any(service.keys.get("depends_on") for service in imported.services):
            assert list(imported.configuration({}).declared) == names


@settings(max_examples=40)
@given(st.dictionaries(WORDS, COMPOSE | VALUES, max_size=3))
def test_compose_files(services: dict[str, Any]) -> None:
    """JSON is YAML."""
    survives("compose.yaml", json.dumps({"services": services}))


@given(st.lists(PM2 | VALUES, max_size=3) | VALUES)
def test_pm2_files(apps: Any) -> None:
    """As JavaScript and as YAML."""
    survives("ecosystem.config.js", f"module.exports = {json.dumps({'apps': apps})}")
    survives("ecosystem.yaml", json.dumps({"apps": apps}))


@given(PACKAGE | VALUES)
def test_package_files(document: Any) -> None:
    """Workspaces that do not exist included."""
    survives("package.json", json.dumps(document))


@given(REPLIT, st.lists(WORKFLOW, max_size=3))
def test_replit_files(document: dict[str, Any], workflows: list[dict[str, Any]]) -> None:
    """With workflows and without."""
    whole = without_nulls({"workflows": {"workflow": workflows}, **document})
    survives(".replit", "".join(f"{key} = {toml_value(value)}\n" for key, value in whole.items()))


LINES = st.lists(
    st.sampled_from(
        ["[program:a]", "[Service]", "[include]", "web: app $PORT", "ExecStart=/bin/a -p 80", "command=%(ENV_A)s 'x",
         "x", "=", "environment=A=1,B='", "Environment=A=1 \\", "  continued", "startretries=-1", "directory=", "User=",
         "RestartSec=x", "numprocs=3", "Restart=always", "release: a", "release: b", "WorkingDirectory=-/srv",
         "stopwaitsecs=0", "user="]
    ),
    max_size=8,
)  # fmt: skip


@given(LINES, st.sampled_from(["Procfile", "supervisord.conf", "a.service"]))
def test_files_of_lines(lines: list[str], name: str) -> None:
    """In any order, and in the wrong kind of file."""
    survives(name, "\n".join(lines))


def test_every_key_of_the_importers_is_tried() -> None:
    """What is mapped is among what is made up here."""
    assert set(COMPOSE_KEYS) > compose.MAPPED
    assert package_json.STAYS.fullmatch("start:x")

"""The reference of nexus.toml says what can be written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nexus.config.checks import check_placeholders
from nexus.config.files import load, parse
from nexus.config.keys import PLACEHOLDERS, SERVICE, TABLES, Key
from nexus.config.reader import Source
from nexus.config.reference import HEAD, reference


def test_its_first_example_can_be_used(tmp_path: Path) -> None:
    """As it stands."""
    (tmp_path / "nexus.toml").write_text(HEAD.partition("```toml\n")[2].partition("```")[0])
    assert list(load(tmp_path / "nexus.toml").declared) == ["database", "web"]


@pytest.mark.parametrize("key", [key for table in TABLES for key in table.keys], ids=lambda key: key.name)
def test_every_example_is_of_its_key(key: Key) -> None:
    """What an error suggests is TOML, and names the key."""
    assert list(tomllib.loads(key.example)) == [key.name]
    assert key.example in reference()


@pytest.mark.parametrize(
    "key", [key for key in SERVICE.keys if key.name not in ("env_file", "depends_on")], ids=lambda key: key.name
)
def test_every_example_of_a_service_is_accepted(tmp_path: Path, key: Key) -> None:
    """With a port and a database beside it."""
    base = {"command": 'command = "app"', "port": 'port = "auto"'}
    lines = "\n".join(line for name, line in base.items() if not key.example.startswith(f"{name} "))
    other = '[services.database]\ncommand = "db"\nport = "auto"\n'
    parse(tmp_path / "nexus.toml", f"{other}[services.web]\n{lines}\n{key.example}\n", {})


def test_every_placeholder_is_accepted(tmp_path: Path) -> None:
    """Those of the table, and no fewer are known."""
    words = [
        word.replace("NAME", "web").replace("PORT", "main").replace("ports.web", "ports.main")
        for word, _ in PLACEHOLDERS
    ]
    text = "\n".join(f'A{place} = "{{{word}}}"' for place, word in enumerate(words))
    configuration = parse(
        tmp_path / "nexus.toml",
        f'[services.web]\ncommand = "app"\nport = "auto"\n[services.web.environment]\n{text}\n',
        {},
    )
    check_placeholders(Source(tmp_path, {}), configuration.private)
    assert len(configuration.private["web"].environment) == len(PLACEHOLDERS)

"""What a folder says of its services."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.config.errors import ConfigurationError
from nexus.config.importers.discovery import discover, import_file


def test_every_format_is_found_best_first(tmp_path: Path) -> None:
    """Of several files of one format the best one, but every unit of systemd."""
    (tmp_path / "Procfile").write_text("web: app\n")
    (tmp_path / "Procfile.dev").write_text("other: app\n")
    (tmp_path / "docker-compose.yml").write_text("services: {db: {image: postgres}}\n")
    (tmp_path / "compose.yml").write_text("services: {better: {image: postgres}}\n")
    (tmp_path / "package.json").write_text('{"scripts": {"start": "node ."}}')
    (tmp_path / ".replit").write_text('run = "python main.py"\n')
    (tmp_path / "supervisord.conf").write_text("[program:a]\ncommand=a\n")
    (tmp_path / "ecosystem.config.js").write_text("module.exports = {apps: [{script: 'a.js'}]}")
    (tmp_path / "b.service").write_text("[Service]\nExecStart=/bin/b\n")
    (tmp_path / "c.service").write_text("[Service]\nExecStart=/bin/c\n")
    found = [(one.source.name, [service.name for service in one.services]) for one in discover(tmp_path)]
    assert found == [
        ("Procfile", ["web"]),
        ("compose.yml", ["better"]),
        ("package.json", ["start"]),
        (".replit", ["app"]),
        ("supervisord.conf", ["a"]),
        ("ecosystem.config.js", ["a"]),
        ("b.service", ["b"]),
        ("c.service", ["c"]),
    ]


def test_a_folder_without_any_has_none(tmp_path: Path) -> None:
    """A folder of the name of a file does not count."""
    (tmp_path / "Procfile").mkdir()
    assert discover(tmp_path) == []


def test_a_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    """It is named, with its line."""
    (tmp_path / "Procfile").write_text("web: app\n")
    (tmp_path / "compose.yml").write_text("services:\n  a: [\n")
    procfile, compose = discover(tmp_path)
    assert [service.name for service in procfile.services] == ["web"]
    assert compose.services == ()
    assert compose.toml().splitlines()[2].startswith("# compose.yml:3: not imported: found ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docker-compose.test.yml", "services: {a: {image: a}}"),
        ("ecosystem-next.config.cjs", "module.exports = [{name: 'a', script: 'a.js'}]"),
        ("web.Procfile", "a: app\n"),
        ("my-supervisor.conf", "[program:a]\ncommand=a\n"),
    ],
)
def test_further_names_are_known_when_a_person_names_them(tmp_path: Path, name: str, text: str) -> None:
    """`nexus import FILE` is not narrow about names."""
    (tmp_path / name).write_text(text)
    assert [service.name for service in import_file(tmp_path / name).services] == ["a"]


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    """With the names that are known."""
    with pytest.raises(
        ConfigurationError, match=r"expected one of Procfile \(Procfile\), Compose file .* of another n"
    ):
        import_file(tmp_path / "Makefile")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("compose.yml", "version: '3'\n", ": expected services; found none."),
        ("compose.yml", "- a\n", ": expected services; found none."),
        ("compose.yml", "a: \x01\n", ": expected valid YAML; found unacceptable character #x0001: special characters"),
        ("package.json", "[]", ":1: expected an object; found something else."),
        (".replit", "run = \n", ": expected valid TOML; found Invalid value (at line 1, column 7)."),
        ("ecosystem.config.js", "module.exports = make()", ": expected a list of apps, written out; found something"),
        ("a.service", "[Unit]\nAfter=b\n", ": expected ExecStart in [Service]; found none."),
    ],
)
def test_a_file_that_says_nothing_of_use_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    """With what was expected of it."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        import_file(tmp_path / name)
    assert str(refused.value).startswith(f"{tmp_path / name}{message}")

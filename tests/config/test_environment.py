"""What services inherit, and what files of variables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.config.environment import inherited, read_env_file
from nexus.config.errors import ConfigurationError
from nexus.config.files import load

FILE = """\
# a comment
PLAIN=one two # three
export EXPORTED="a\\nb"
SINGLE='${HOME} stays'
EXPANDED=${HOME}/x
BRACES={port}
EMPTY=
UNSET

LAST=1
"""


def test_nothing_of_nexus_itself_is_passed_on() -> None:
    """Neither its own variables, which may be secrets, nor its way to talk to systemd."""
    theirs = {"PATH": "/bin", "NEXUS_TOKEN": "secret", "NOTIFY_SOCKET": "/run/x", "LISTEN_FDS": "1"}
    assert inherited(theirs) == {"PATH": "/bin"}


def test_a_file_of_variables_is_read_as_others_read_it(tmp_path: Path) -> None:
    """Comments, export, quotes; a name alone is inherited anyway."""
    file = tmp_path / ".env"
    file.write_text(FILE, "utf-8-sig")
    read = {
        name: template.filled(str.upper, {"HOME": "/h"}.__getitem__) for name, template in read_env_file(file).items()
    }
    assert read == {
        "PLAIN": "one two",
        "EXPORTED": "a\nb",
        "SINGLE": "${HOME} stays",
        "EXPANDED": "/h/x",
        "BRACES": "{port}",
        "EMPTY": "",
        "LAST": "1",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\n\n\nnot a variable\n", ":4: expected NAME=value; found something else. Mend it, or begin it with #."),
        ("A=1\nB='hunter2\n", ":2: expected NAME=value; found something else. Mend it, or begin it with #."),
        (
            "NEXUS_HOME=/\n",
            ":1: expected a name that is free; found NEXUS_HOME. Choose another one: NEXUS_* is set by Nexus itself.",
        ),
    ],
)
def test_a_line_that_is_no_variable_is_named(tmp_path: Path, text: str, message: str) -> None:
    """By file and line, and never with the value that it may hold."""
    (tmp_path / ".env").write_text(text)
    (tmp_path / "nexus.toml").write_text('[services.web]\ncommand = "app"\nenv_file = ".env"\n')
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path / "nexus.toml")
    assert str(refused.value) == f"{tmp_path / '.env'}{message}"


def test_a_file_of_other_bytes_is_the_fault_of_the_line_that_names_it(tmp_path: Path) -> None:
    """Each file of a list has its own line."""
    (tmp_path / "a.env").touch()
    (tmp_path / "b.env").write_bytes(b"A=\xff\n")
    (tmp_path / "nexus.toml").write_text('[services.web]\ncommand = "app"\nenv_file = [\n  "a.env",\n  "b.env",\n]\n')
    with pytest.raises(
        ConfigurationError, match=r":5: services\.web\.env_file\[1\]: expected a readable file; found b"
    ):
        load(tmp_path / "nexus.toml")


def test_later_files_win_and_the_table_wins_over_all(tmp_path: Path) -> None:
    """The log gets the names alone."""
    (tmp_path / "a.env").write_text("A=a\nB=a\nC=a\n")
    (tmp_path / "b.env").write_text("B=b\nC=b\n")
    (tmp_path / "nexus.toml").write_text(
        '[services.web]\ncommand = "app"\nenv_file = ["a.env", "b.env"]\nenv = { C = "c" }\n'
    )
    configuration = load(tmp_path / "nexus.toml")
    declared = configuration.private["web"].environment
    assert {name: template.text for name, template in declared.items()} == {"A": "a", "B": "b", "C": "c"}
    assert configuration.declared["web"].environment == ("A", "B", "C")

"""Command lines that were written for a shell."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.config.importers.shell import Line, command_value, understood
from nexus.config.templates import Template
from nexus.config.values import words_of


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("python app.py", Line(("python", "app.py"))),
        ("  exec python app.py ", Line(("python", "app.py"))),
        ("app --name 'a b'", Line(("app", "--name", "a b"))),
        ('app "a; b"', Line(("app", "a; b"))),
        ("app -p $PORT", Line(("app", "-p", "{port}"), uses_port=True)),
        ("app -b 0.0.0.0:${PORT:-80}", Line(("app", "-b", "0.0.0.0:{port}"), uses_port=True)),
        ("app %PORT% $PORTAL", Line(("sh", "-c", "exec app %PORT% $PORTAL"), uses_port=True)),
        ("app '$PORT'", Line(("sh", "-c", "exec app '$PORT'"), uses_port=True)),
        ("A=1 B='c d' app", Line(("app",), environment={"A": "1", "B": "c d"})),
        ("env A=${B} app", Line(("sh", "-c", "exec A=${B} app"))),
        ("PORT=3000 node app.js", Line(("node", "app.js"), listens_on=3000)),
        ("cd web && npm start", Line(("npm", "start"), directory="web")),
        ("cd web; npm start", Line(("sh", "-c", "cd web; npm start"))),
        ("a && b", Line(("sh", "-c", "a && b"))),
        ("a > log", Line(("sh", "-c", "exec a > log"))),
        ("while true; do a; done", Line(("sh", "-c", "while true; do a; done"))),
        ("source .env", Line(("sh", "-c", "source .env"))),
        ("app '{port}' {{x}}", Line(("app", "{{port}}", "{{{x}}}"))),
        ("manage runserver 0.0.0.0:8000", Line(("manage", "runserver", "0.0.0.0:8000"), listens_on=8000)),
        ("python -m http.server 8001", Line(("python", "-m", "http.server", "8001"), listens_on=8001)),
        ("bin/rails server -p 3001", Line(("bin/rails", "server", "-p", "3001"), listens_on=3001)),
        ("psql -p 5432", Line(("psql", "-p", "5432"))),
        ("app --port=99999", Line(("app", "--port=99999"))),
        ("gunicorn -b :9000 app", Line(("gunicorn", "-b", ":9000", "app"), listens_on=9000)),
        ('app "open', Line(("sh", "-c", 'exec app "open'))),
        ("", Line(("sh", "-c", ""))),
        ("A=1", Line(("A=1",))),
    ],
)
def test_a_command_line_is_taken_apart(text: str, line: Line) -> None:
    """A shell is kept where one is needed, and only there."""
    assert understood(text) == line


def test_its_keys_say_what_nexus_toml_has_a_place_for() -> None:
    """The port of the command line wins over the one that is expected."""
    assert understood("cd web && A=1 app $PORT").keys(port=80) == {
        "command": "A=1 app {port}".removeprefix("A=1 "),
        "directory": "web",
        "port": "auto",
        "environment": {"A": "1"},
    }
    assert understood("app").keys(port=80)["port"] == 80
    assert understood("app --port 81").keys(port=80)["port"] == 81


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=4))
def test_words_stay_the_same_as_a_string_and_as_a_list(words: list[str]) -> None:
    """A string is written only where splitting it gives the words again."""
    value = command_value(tuple(words))
    assert (list(words_of(value)) if isinstance(value, str) else value) == words


ARGUMENTS = st.lists(st.text(alphabet="ab $*'\"\\{}()~#!&|;<>[]=", max_size=6), max_size=3)


@given(ARGUMENTS)
def test_quoted_words_reach_the_program_unchanged(arguments: list[str]) -> None:
    """Whatever a shell would have made of the line, the program gets the same."""
    line = understood(shlex.join(["printf", "%s.", *arguments]))
    words = [Template(word).filled(str, str) for word in line.words]
    assert words[0] in ("printf", "sh")
    if words[0] == "printf":
        assert words[2:] == arguments
    else:
        ran = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert ran == "".join(f"{argument}." for argument in arguments) or (not arguments and ran == ".")

"""A secret in a command never reaches what may be recorded."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.config.files import load
from nexus.config.masking import MASK, looks_secret, masked, secrets_in


@pytest.mark.parametrize(
    "name",
    ["PASSWORD", "PGPASSWORD", "MYSQL_PWD", "--password", "--requirepass", "dbPassword", "API_KEY", "apikey",
     "--api-key", "AUTH", "--masterauth", "SECRET_KEY_BASE", "GITHUB_TOKEN", "authToken", "--access-key-id",
     "SENTRY_DSN", "session-cookie", "Authorization", "--passphrase", "aws.credentials", "--key"],
)  # fmt: skip
def test_telling_names_are_known(name: str) -> None:
    """In capitals, camels, with dashes, dots and underscores."""
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    ["PORT", "--port", "author", "keyboard", "--no-password", "--host", "KEYSPACE", "-p"],
)
def test_other_names_stay_readable(name: str) -> None:
    """A log that masks everything explains nothing."""
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("app --port 80 --name web", "app --port 80 --name web"),
        ("app --password hunter2 --port 80", "app --password ••• --port 80"),
        ("app --api-key=abc=def -v", "app --api-key=••• -v"),
        ("env TOKEN=abc DEBUG=1 app", "env TOKEN=••• DEBUG=1 app"),
        ("app postgres://u:p@ss@h/db?x=1", "app postgres://u:•••@h/db?x=1"),
        ("app redis://:pw@h", "app redis://:•••@h"),
        ("app https://ghp_abc@h/x ssh://git@h/x", "app https://•••@h/x ssh://git@h/x"),
        ("app http://h/?page=1&token=abc", "app http://h/?page=1&token=•••"),
        ("curl -u me:pw http://h", "curl -u me:••• http://h"),
        ("curl -H 'Authorization: Basic abc def'", "curl -H 'Authorization: •••'"),
        ("curl -H 'X-Auth: Bearer abc'", "curl -H 'X-Auth: •••'"),
        ("sh -c 'login --password \"a b\" --user me; run'", "sh -c 'login --password ••• --user me; run'"),
        ("sh -c 'A=1 PASSWORD=a\\ b run'", "sh -c 'A=1 PASSWORD=••• run'"),
        ("sh -c 'curl -H \"Authorization: Bearer abc\" h'", "sh -c 'curl -H \"Authorization: •••'"),
        ('app \'{"password": "a b", "x": 1}\'', 'app \'{"password": ••• "x": 1}\''),
        ("app -c options=password=hunter2", "app -c options=password=•••"),
    ],
)
def test_what_is_masked_and_what_is_not(arguments: str, shown: str) -> None:
    """Just as much as needed, and rather more than less."""
    assert masked(shlex.split(arguments)) == tuple(shlex.split(shown))


def test_values_of_telling_variables_are_found_anywhere() -> None:
    """The value of PASSWORD is masked wherever it appears, a short one only where it is the whole argument."""
    found = secrets_in({"PASSWORD": "hunter2", "URL": "pg://u:inurl@h/", "NAME": "web", "EMPTY_KEY": "", "TOKEN": "1"})
    assert found == {"hunter2", "inurl", "1"}
    assert masked(["-phunter2", "x-inurl", "web", "81", "1"], found) == (f"-p{MASK}", f"x-{MASK}", "web", "81", MASK)


MARK = "§"
"""At both ends of each secret: where one is seen, a part of the secret got out."""

PLACES: dict[str, Callable[[str], list[str]]] = {
    "the word after an option": lambda it: ["app", "--password", it],
    "an option": lambda it: ["app", f"--auth-token={it}", "-v"],
    "a variable": lambda it: ["env", f"API_KEY={it}", "app"],
    "a URL": lambda it: ["app", f"--db=postgres://u:{quote(it, safe='')}{MARK}@h/db"],
    "a login": lambda it: ["curl", "-u", f"me:{it}"],
    "a header": lambda it: ["curl", "-H", f"Authorization: Bearer {it}"],
    "an option in a script": lambda it: ["sh", "-c", f"cd x && app --secret {shlex.quote(it)} --port 80"],
    "a variable in a script": lambda it: ["sh", "-c", f"cd x && TOKEN={shlex.quote(it)} app"],
}
ANYWHERE: dict[str, Callable[[str], list[str]]] = {
    "a short option": lambda it: ["app", f"-p{it}"],
    "a word of a script": lambda it: ["sh", "-c", f"cd x && echo {it} | app"],
}


def secrets(exclude: str = "") -> st.SearchStrategy[str]:
    """Marked texts."""
    letters = st.characters(codec="utf-8", max_codepoint=0xFFFF, exclude_characters=exclude)
    return st.text(letters, min_size=2, max_size=12).map(lambda text: MARK + text + MARK)


@given(secret=secrets(), place=st.sampled_from(sorted(PLACES)))
def test_nothing_of_a_secret_is_shown(secret: str, place: str) -> None:
    """Whatever its letters are: blanks, quotes, dashes, line ends."""
    shown = " ".join(masked(PLACES[place](secret)))
    assert MARK not in shown
    assert quote(MARK) not in shown


@given(secret=secrets("{}$\0"), place=st.sampled_from(sorted(PLACES | ANYWHERE)))
def test_a_secret_never_survives_in_what_is_declared(secret: str, place: str) -> None:
    """From nexus.toml to what the log gets, in a command, in a check and in the environment."""
    command = json.dumps((PLACES | ANYWHERE)[place](secret))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "nexus.toml"
        file.write_text(
            f"[services.web]\ncommand = {command}\nhealth = {{ exec = {command} }}\n"
            f"environment = {{ DB_PASSWORD = {json.dumps(secret)} }}\n"
        )  # fmt: skip
        configuration = load(file, {})
    assert configuration.private["web"].environment["DB_PASSWORD"].text == secret
    recorded = msgspec.json.encode(configuration.declared).decode()
    assert MARK not in recorded
    assert quote(MARK) not in recorded

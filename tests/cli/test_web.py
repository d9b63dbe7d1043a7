"""Opening the page and handing out tokens from the command line."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from nexus.http.tokens import Codes, Tokens
from tests.http.supervised import System, supervised


@pytest.fixture
def idle(tmp_path: Path) -> System:
    """A project in which nothing runs."""
    system = System(tmp_path)
    system.home.mkdir()
    return system


def test_a_token_is_made_shown_once_and_revoked(idle: System) -> None:
    """It works at once, is listed without its secret, and is gone when it is revoked."""
    secret = idle.nexus("token", "add", "ci", "--role", "operate", "--for", "2h").stdout.strip()
    tokens = Tokens(idle.home)
    found = tokens.find(secret)
    assert found is not None
    assert (found.name, found.role) == ("ci", "operate")
    listed = idle.nexus("token", "list", "--json").stdout
    assert secret not in listed
    assert [it["name"] for it in json.loads(listed)["tokens"]] == ["ci"]
    assert idle.nexus("token", "revoke", "ci").returncode == 0
    assert Tokens(idle.home).find(secret) is None


def test_your_own_token_is_shown_as_often_as_you_like(idle: System) -> None:
    """It is made where there is none, and stays the same."""
    first = idle.nexus("token", "show").stdout
    assert first == idle.nexus("token", "show").stdout
    assert Tokens(idle.home).find(first.strip()) is not None


@pytest.mark.parametrize(
    "arguments", [("add", "ci", "--for", "soon"), ("revoke", "nobody"), ("add", "ci", "--role", "god")]
)
def test_what_makes_no_sense_is_refused(idle: System, arguments: tuple[str, ...]) -> None:
    """With what was expected instead, and nothing changed."""
    done = idle.nexus("token", *arguments)
    assert done.returncode in (1, 2)
    assert arguments[-1] in done.stderr
    assert Tokens(idle.home).all() == []


def test_a_name_is_taken_once(idle: System) -> None:
    """The second token of a name is refused."""
    assert idle.nexus("token", "add", "ci").returncode == 0
    done = idle.nexus("token", "add", "ci")
    assert done.returncode == 1
    assert "already" in done.stderr


def test_the_page_is_opened_without_showing_a_secret(tmp_path: Path) -> None:
    """The browser's command line, which all users see, has only the path of a file for its owner alone."""
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!{sys.executable}\nimport sys; open({str(seen)!r}, "w").write(" ".join(sys.argv[1:]))\n')
    browser.chmod(0o755)
    folder = tmp_path / "shop"
    folder.mkdir()
    with supervised(folder, BROWSER=f"{browser} %s", NO_COLOR="1", PATH=os.environ["PATH"]) as system:
        assert system.nexus("open").stdout.strip() == system.url
        doorway = system.home / "open.html"
        assert seen.read_text() == doorway.as_uri()
        assert stat.S_IMODE(doorway.stat().st_mode) == 0o600
        address = system.nexus("open", "--print").stdout.strip()
        code = address.partition("#code=")[2]
        assert address.startswith(f"{system.url}/#code=")
        assert Codes(system.home).redeem(code) is not None


def test_nothing_is_opened_where_nothing_runs(idle: System) -> None:
    """It says how to start it."""
    done = idle.nexus("open")
    assert done.returncode == 1
    assert "nexus up" in done.stderr

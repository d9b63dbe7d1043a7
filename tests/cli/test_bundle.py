"""Bundles on the command line: packed here, read elsewhere."""

from __future__ import annotations

import json
import shlex
import zipfile
from pathlib import Path

import pytest

from nexus.cli.app import COMMANDS, ON_BUNDLES
from tests.cli.homes import FIRST_TRY, GIVEN_UP, nexus, quickly, record

LAST = 38
READING = (
    "status --at 38", "status --at 25 --json", "alerts --at 38 --json", "graph --at 38", "ports --at 38 --json",
    "lease --at 38 --json", "replay --from 20 --to 38", "replay --from 20 --to 38 --json", "replay --at 30",
    "decisions --since 19 --at 38 --json", "events --since 19 --at 38 --json", "events --since 19 --at 38 --kind run",
    f"explain {GIVEN_UP} --at 38", "explain 34 --at 38 --json", "replay --check --from 20 --to 38 --json",
    "export --from 19 --to 38", "decisions --since 14:12:15 --at 38",
)  # fmt: skip
"""What is asked of the home and of the bundle alike."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the incident."""
    return record(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def bundle(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the middle of it."""
    path = tmp_path_factory.mktemp("bundle") / "incident.zip"
    result = quickly(home, "bundle", "--from", str(FIRST_TRY), "--to", str(LAST), str(path))
    assert result.exit_code == 0, result.stderr
    assert "20 events (19 to 38) about database, router" in result.stdout
    return path


@pytest.mark.parametrize("command", READING)
def test_a_bundle_answers_as_the_home_does(home: Path, bundle: Path, command: str) -> None:
    """Every reading command, as it was at that moment."""
    there, here = quickly(bundle, *shlex.split(command)), quickly(home, *shlex.split(command))
    assert (there.exit_code, there.stderr) == (here.exit_code, here.stderr)
    assert there.stdout == here.stdout


def test_a_bundle_is_replayed(home: Path, bundle: Path) -> None:
    """By its name; from its beginning to its end; the present is its end."""
    assert quickly(home, "replay", str(bundle)).stdout == quickly(home, "replay", "--from", "19", "--to", "38").stdout
    assert json.loads(quickly(home, "replay", str(bundle), "--check", "--json").stdout)["differences"] == []
    assert quickly(bundle, "status").stdout == quickly(home, "status", "--at", "38").stdout
    assert nexus("replay", str(bundle), cwd=bundle.parent).returncode == 0


def test_a_bundle_is_verified_asked_and_packed_again(bundle: Path, tmp_path: Path) -> None:
    """All that needs nothing but the history."""
    assert "the history is whole: 20 events in 1 file" in quickly(bundle, "verify").stdout
    assert quickly(bundle, "query", "SELECT max(seq) FROM events").stdout.split() == ["max(seq)", "38"]
    made = json.loads(quickly(bundle, "bundle", "--from", "30", str(tmp_path / "b.zip"), "--json").stdout)
    assert (made["last"], made["services"]) == (38, ["database", "router"])
    assert quickly(tmp_path / "b.zip", "explain", str(GIVEN_UP)).exit_code == 0


def test_moments_before_a_bundle_are_told(bundle: Path) -> None:
    """It is said where it begins."""
    for command in ("status --at 3", "explain 3", "status --at 2026-03-01T14:12:00"):
        result = quickly(bundle, *shlex.split(command))
        assert (result.exit_code, result.stdout) == (1, "")
        assert "19 to 38" in result.stderr


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ON_BUNDLES])
def test_a_bundle_can_only_be_read(bundle: Path, command: str) -> None:
    """Whatever would change something, or ask a supervisor, is refused."""
    result = quickly(bundle, command, *(["web"] if command in ("start", "stop", "restart", "release") else []))
    assert result.exit_code == 1
    assert result.stderr.startswith("nexus: incident.zip can only be read")


def test_a_lease_is_not_given_in_a_bundle(bundle: Path) -> None:
    """Listing them is reading, asking for one is not."""
    result = quickly(bundle, "lease", "mine")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "incident.zip can only be read" in result.stderr


def test_no_bundle(home: Path, tmp_path: Path) -> None:
    """What is none is told in one clear text."""
    (tmp_path / "b.zip").write_text("no bundle")
    for arguments in (["--home", str(tmp_path / "b.zip"), "status"], ["replay", str(tmp_path / "b.zip")]):
        result = nexus(*arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith(f"nexus: {tmp_path / 'b.zip'} can't be used as a bundle")
        assert "`nexus bundle` makes it" in result.stderr
    assert "there is no bundle" in quickly(home, "replay", str(tmp_path / "none.zip")).stderr
    nothing = quickly(home, "bundle", "--from", "30", "--to", "20", str(tmp_path / "c.zip"))
    assert "nothing happened in that interval" in nothing.stderr
    assert "can't be written" in quickly(home, "bundle", str(tmp_path / "none" / "c.zip")).stderr
    assert [it.name for it in tmp_path.iterdir()] == ["b.zip"]


def test_logs_are_left_out_where_secrets_are_not_known(home: Path, tmp_path: Path) -> None:
    """The incident's nexus.toml is on another machine."""
    (home / "logs").mkdir(exist_ok=True)
    (home / "logs" / "database.1.log").write_text("password\n")
    result = quickly(home, "bundle", str(tmp_path / "b.zip"))
    assert "its secrets are not known" in result.stdout
    with zipfile.ZipFile(tmp_path / "b.zip") as packed:
        assert sorted(packed.namelist()) == ["events-000001.db", "events.head", "manifest.json"]

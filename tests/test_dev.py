"""`./dev`: what a developer types, from any directory, on a machine with nothing but Python."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def load(path: Path) -> ModuleType:
    """The script as a module."""
    loader = SourceFileLoader("dev", str(path))
    spec = importlib.util.spec_from_loader("dev", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(name="dev")
def dev_of_an_empty_checkout(tmp_path: Path) -> ModuleType:
    """The script in a checkout that has no environment yet."""
    for name in ("dev", "pyproject.toml", "requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return load(tmp_path / "dev")


def run(
    *command: str | Path, cwd: Path, environment: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """What a command says and how it ends."""
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_an_unknown_command_names_the_known_ones(tmp_path: Path) -> None:
    """A misspelt command is a usage error, and nothing is made for it."""
    done = run(sys.executable, ROOT / "dev", "tset", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no command 'tset'; it knows up, down, nexus, test" in done.stderr


def test_help_needs_no_environment(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks what there is waits for nothing."""
    assert dev.main([]) == 0
    assert "./dev up" in capsys.readouterr().out
    assert not dev.VENV.exists()


@pytest.fixture(name="made")
def what_was_made(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the script makes, without the wait for the package index."""
    made: list[str] = []

    def create() -> None:
        made.append("create")
        dev.PYTHON.parent.mkdir(parents=True, exist_ok=True)
        dev.PYTHON.touch()

    monkeypatch.setattr(dev, "create", create)
    monkeypatch.setattr(dev, "install", made.append)
    return made


def test_an_environment_is_made_once(dev: ModuleType, made: list[str]) -> None:
    """The second call finds everything there; one for development is good enough for use."""
    for purpose in ("develop", "develop", "use"):
        dev.make(purpose)
    assert made == ["create", "develop"]


def test_what_is_missing_is_added(dev: ModuleType, made: list[str]) -> None:
    """`./dev test` after `./dev up` adds to the environment; a new lock file renews its packages."""
    dev.make("use")
    dev.make("develop")
    dev.LOCKS["develop"].write_text("another==1.0\n")
    dev.make("use")
    assert made == ["create", "use", "develop", "develop"]


def test_an_interrupted_installation_is_made_anew(
    dev: ModuleType, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C nobody knows what is there: the next call begins with an empty environment."""

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dev, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dev.make("use")
    monkeypatch.setattr(dev, "install", made.append)
    dev.make("use")
    assert made == ["create", "create", "use"]


def test_a_moved_checkout_is_made_anew(dev: ModuleType, made: list[str], tmp_path: Path) -> None:
    """An environment knows its own path, so that of another checkout is of no use."""
    dev.make("use")
    stamp = dev.STAMP.read_text()
    dev.STAMP.write_text(stamp.replace(str(tmp_path), "/elsewhere"))
    dev.make("use")
    assert made == ["create", "use", "create", "use"]


def test_a_python_without_venv_is_told_what_to_install(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the package of Debian and Ubuntu."""
    monkeypatch.setattr(dev, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"apt-get install python3\.\d+-venv"):
        dev.create()


def test_the_pure_core_is_that_of_the_import_contract(dev: ModuleType) -> None:
    """What must be pure must be covered: one list for both."""
    assert {"events/catalog.py", "projections/state.py"} <= set(dev.pure_core())


def clone(into: Path) -> Path:
    """A fresh clone of this repository."""
    run("git", "clone", "--quiet", ROOT, into, cwd=ROOT)
    return into / "dev"


@pytest.mark.long
def test_a_fresh_clone_needs_nothing_but_python(tmp_path: Path) -> None:
    """With an empty home, from another directory: the first call makes everything, the second is at once."""
    dev, home = clone(tmp_path / "clone with a space"), tmp_path / "home"
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    first = run(dev, "test", "tests/test_waiting.py", cwd=home, environment=environment)
    assert first.returncode == 0, first.stdout + first.stderr
    began = time.monotonic()
    missing = run(dev, "test", "tests/no_such_test.py", cwd=home, environment=environment)
    assert time.monotonic() - began < 5
    assert missing.returncode == 4, "the exit code is pytest's own"

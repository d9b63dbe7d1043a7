"""Every example of the documentation of the web API works as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.platforms.listen import api_socket
from tests.http.supervised import System, supervised

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("reference/rest.md", "guides/remote.md")


def examples() -> list[str]:
    """The lines of every block of shell commands, but those that set the variables."""
    blocks = [
        block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text("utf-8"), re.S)
    ]
    return [line for block in blocks for line in block.splitlines() if not line.startswith("export")]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A supervisor with two services."""
    with supervised(tmp_path_factory.mktemp("shop")) as found:
        yield found


@pytest.mark.parametrize("line", examples())
def test_an_example_works(system: System, line: str) -> None:
    """Typed into a shell with the variables set, it ends well and says something."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", line], cwd=system.folder, capture_output=True, text=True, timeout=60,
        env={"PATH": path, "NEXUS_URL": system.url, "NEXUS_TOKEN": system.token,
             "NEXUS_SOCKET": str(api_socket(system.home))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not re.search(r'"status":[45]\d\d', done.stdout)


def programs() -> list[str]:
    """Every block of Python of the guide to the client."""
    return re.findall(r"```python\n(.*?)```", (DOCS / "guides" / "python.md").read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("program", programs())
def test_a_program_works(system: System, program: str) -> None:
    """Run in the project's folder as it stands, it ends well and says something."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=system.folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_there_are_examples() -> None:
    """The pages still have them in the form that is looked for."""
    assert len(examples()) >= 12
    assert len(programs()) >= 3

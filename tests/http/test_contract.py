"""The API keeps to its own OpenAPI document: schemathesis asks what no test would think of."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.http.operations import OPERATIONS
from tests.http.supervised import System, supervised

CASES_MIN = 800
OPEN_ENDED = "/events"
"""A stream has no end to wait for; it has tests of its own."""

KNOWN = """
[checks.negative_data_rejection]
expected-statuses = [
    "400", "401", "403", "404", "405", "406", "409", "413", "414", "415", "422", "428", "429", "431", "5xx"
]
[[operations]]
include-method = "POST"
include-path-regex = "/api/services/.*"
parameters = { service = "web" }
[[operations]]
include-path-regex = "/api/(events|decisions)/.*"
parameters = { id = 9 }
[[operations]]
include-path = "/api/bundle"
generation = { max-examples = 5 }
[[operations]]
include-path = "/api/query"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "5xx"]
"""
"""What exists, so that not every case ends with 404; and a text that is no SQL is refused although it is a text.

A bundle takes a while to make: it gets fewer cases. What is too long is refused for being too long.
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A supervisor with two services."""
    with supervised(tmp_path_factory.mktemp("shop")) as found:
        yield found


def cases(system: System, folder: Path, examples: int, seed: int) -> int:
    """How many cases were tried without finding a fault; some name what exists, some are about anything."""
    (folder / "schemathesis.toml").write_text(KNOWN)
    schemathesis = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [schemathesis, "run", f"{system.url}/api/openapi.json", "-H", f"Authorization: Bearer {system.token}",
         "--exclude-path", OPEN_ENDED, "--max-examples", str(examples), "--seed", str(seed), "--no-color",
         "--suppress-health-check", "all", "--generation-database", "none", "--continue-on-failure"],
        cwd=folder, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    found = re.search(r"(\d+) generated", done.stdout)
    assert found, done.stdout[-2000:]
    return int(found[1])


def test_no_case_finds_a_fault(system: System, tmp_path: Path) -> None:
    """At least 800 cases over every operation of a running system: no fault."""
    assert cases(system, tmp_path, examples=6, seed=1) >= CASES_MIN


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_no_case_of_many_finds_a_fault(system: System, tmp_path: Path, seed: int) -> None:
    """Some thousand more."""
    assert cases(system, tmp_path, examples=60, seed=seed) >= 3 * CASES_MIN


def test_the_document_names_every_operation(system: System) -> None:
    """And nothing else: each path and method comes from the table."""
    with system.client() as client:
        document = client.get("/api/openapi.json").json()
    named = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert named == {(it.path, it.method) for it in OPERATIONS}
    assert document["openapi"] == "3.1.0"


def test_other_methods_are_refused_with_those_allowed(system: System) -> None:
    """405 names what is allowed."""
    with system.client() as client:
        for operation in OPERATIONS:
            path = re.sub(r"\{\w+\}", "1", operation.path)
            answer = client.request("PUT", path)
            assert answer.status_code == 405, path
            assert operation.method in answer.headers["allow"]
            assert answer.json()["status"] == 405

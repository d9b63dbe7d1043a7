"""The plain example: two services of the standard library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.examples.harness import EXAMPLES, Service, eventually, free_port


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[tuple[Service, Service, str]]:
    """The clock, the greeter, and the greeter's address."""
    ports = free_port(), free_port()
    folder = EXAMPLES / "plain"
    clock = Service(folder, ["clock.py"], {"PORT": str(ports[0])}, tmp_path / "clock.log")
    environment = {"PORT": str(ports[1]), "CLOCK_URL": f"http://127.0.0.1:{ports[0]}"}
    greeter = Service(folder, ["greeter.py"], environment, tmp_path / "greeter.log")
    for service in (clock, greeter):
        service.start()
    yield clock, greeter, f"http://127.0.0.1:{ports[1]}"
    for service in (clock, greeter):
        service.close()


def test_the_greeter_asks_the_clock(plain: tuple[Service, Service, str]) -> None:
    """It greets by the hour, says so when the clock is down, and is itself well all the time."""
    clock, greeter, url = plain
    assert eventually(lambda: httpx.get(f"{url}/health")).text == "ok\n"
    answer = eventually(lambda: (it := httpx.get(f"{url}/Ada%20L")).is_success and it)
    assert re.fullmatch(r"Good (morning|afternoon|evening), Ada L!\n", answer.text)
    clock.end()
    assert httpx.get(f"{url}/Ada").status_code == 503
    assert httpx.get(f"{url}/health").is_success
    assert greeter.end()[1] < 2

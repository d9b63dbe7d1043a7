"""One supervisor and one browser for all tests of the dashboard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.browser.browsing import Browser, browsing, enter, missing, required
from tests.browser.demo import configuration
from tests.http.supervised import System, supervised
from tests.waiting import until

NEEDS = {"database": [], "web": ["database"], "worker": ["web"]}


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A supervisor with three services; `worker` is not tried again when it fails."""
    lacking = missing()
    if lacking and not required():
        pytest.skip(lacking)
    assert not lacking, lacking
    folder = tmp_path_factory.mktemp("aurora")
    with supervised(folder, configuration(folder, NEEDS, given_up=("worker",))) as found:
        yield found


@pytest.fixture(scope="package")
def browser(system: System) -> Iterator[Browser]:
    """A browser."""
    with browsing() as found:
        yield found


@pytest.fixture
def page(system: System, browser: Browser) -> Iterator[Any]:
    """The overview, live; whatever the page complains about fails the test."""
    all_well(system)
    browser.complaints.clear()
    context = browser.context()
    yield enter(context, system)
    context.close()
    assert browser.complaints == []


def all_well(system: System) -> None:
    """Wait until every service is healthy, after a start of those that were given up."""
    with contextlib.suppress(httpx.HTTPError), system.client() as client:
        for name, service in client.get("/api/status").json()["services"].items():
            if service["state"] == "failed":
                client.post(f"/api/services/{name}/start")
    until(lambda: set(healths(system).values()) == {"healthy"}, 20, "every service healthy", httpx.HTTPError)


def healths(system: System) -> dict[str, str]:
    """How well each service is."""
    with system.client() as client:
        return {name: it["health"] for name, it in client.get("/api/status").json()["services"].items()}

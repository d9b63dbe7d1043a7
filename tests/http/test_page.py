"""The built-in page in a real browser: entered once with a code, live, and asking nobody else."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.http.tokens import Codes
from tests.http.supervised import System, supervised
from tests.waiting import until

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
MARKUP = "<img src=x onerror=alert(1)>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A supervisor with two services."""
    with supervised(tmp_path_factory.mktemp("shop")) as found:
        yield found


class Browser:
    """A browser that writes down every complaint and every request."""

    def __init__(self, playwright: Any, url: str, **options: Any) -> None:
        self.browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        self.page = self.browser.new_context(**options).new_page()
        self.url, self.complaints, self.requests = url, list[str](), list[str]()
        self.page.on("console", lambda it: self.complaints.append(it.text) if it.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda it: self.complaints.append(str(it)))
        self.page.on("dialog", lambda it: self.complaints.append(it.message))
        self.page.on("request", lambda it: self.requests.append(it.url))

    def enter(self, system: System) -> Any:
        """Open the page as `nexus open` does."""
        self.page.goto(f"{self.url}/plain#code={Codes(system.home).make()}")
        self.page.wait_for_selector("#services tr")
        return self.page


SHAPES = {
    "desk": {"viewport": {"width": 1200, "height": 900}},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
}


@pytest.fixture(params=list(SHAPES.values()), ids=list(SHAPES))
def browser(system: System, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A fresh browser, wide and light or narrow and dark."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        found = Browser(playwright, system.url, **request.param)
        yield found
        found.browser.close()
        assert found.complaints == []
        assert [url for url in found.requests if not url.startswith((found.url, "data:"))] == []


def test_the_page_shows_what_is_the_matter(browser: Browser, system: System) -> None:
    """Services, decisions with their why, and what happens; the code is gone from the address at once."""
    page = browser.enter(system)
    assert page.url == f"{system.url}/plain"
    assert page.evaluate("document.cookie") == ""
    assert "web" in page.inner_text("#services")
    assert "running" in page.inner_text("#services")
    page.wait_for_selector("#decisions summary")
    page.click("#decisions li:first-child summary")
    page.wait_for_selector("#decisions li:first-child details > div ul")
    assert "Because" in page.inner_text("#decisions li:first-child")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_command_and_what_comes_of_it_are_seen(browser: Browser, system: System) -> None:
    """A restart from the page is recorded with the name of its token, and the feed tells the rest."""
    page = browser.enter(system)
    page.click("button[aria-label='restart worker']")
    page.wait_for_selector("#told:has-text('recorded as event')")
    recorded = re.search(r"event (\d+)", page.inner_text("#told"))
    assert recorded
    with system.client() as client:
        assert client.get(f"/api/events/{recorded[1]}").json()["actor"].startswith("token page-")
    page.wait_for_selector("#feed tr:has-text('worker.1')")


def test_looking_back_shuts_the_controls(browser: Browser, system: System) -> None:
    """In the past nothing can be commanded, and the page says when that was."""
    page = browser.enter(system)
    page.fill("#at", "5")
    page.click("#moment button:first-of-type")
    page.wait_for_selector("#past:has-text('event 5')")
    until(lambda: page.eval_on_selector_all("#services button", "all => all.every(it => it.disabled)"))
    page.click("#now")
    page.wait_for_selector("#past", state="hidden")
    until(lambda: page.eval_on_selector_all("#services button", "all => all.every(it => !it.disabled)"))


def test_what_services_say_is_never_markup(browser: Browser, system: System) -> None:
    """A name, a cause or a log that looks like HTML is text."""
    page = browser.enter(system)
    page.evaluate(
        f"events = [{{seq: 1, at: '2026-01-01T00:00:00Z', kind: 'x', summary: {json.dumps(MARKUP)}}}]; showFeed()"
    )
    page.wait_for_selector("#feed tr")
    assert MARKUP in page.inner_text("#feed")
    assert page.query_selector("#feed img") is None


def test_without_a_token_nothing_is_shown(browser: Browser, system: System) -> None:
    """Somebody who only knows the address sees how to get in; a used code lets nobody in."""
    browser.page.goto(f"{system.url}/plain#code=used-long-ago")
    browser.page.wait_for_selector("#refused:has-text('nexus open')")
    assert browser.page.query_selector("#services tr") is None
    assert browser.page.url == f"{system.url}/plain"
    browser.complaints = [it for it in browser.complaints if "404" not in it]


def test_the_api_is_documented_by_itself(browser: Browser, system: System) -> None:
    """Swagger UI shows every operation and asks no other host."""
    with system.client() as client:
        named = len(client.get("/api/openapi.json").json()["paths"])
    browser.page.goto(f"{system.url}/docs")
    browser.page.wait_for_selector(".opblock", timeout=20_000)
    assert browser.page.locator(".opblock").count() >= named


def test_the_page_outlives_the_supervisor(tmp_path: Path) -> None:
    """When the supervisor is killed the page stays, and says that it is down."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with supervised(tmp_path) as system, sync_api.sync_playwright() as playwright:
        browser = Browser(playwright, system.url)
        page = browser.enter(system)
        supervisor = system.supervisor()
        supervisor.kill()
        page.wait_for_selector("#line:has-text('is down')", timeout=15_000)
        assert "running" in page.inner_text("#services")
        assert system.nexus("up", "-d").returncode == 0
        page.wait_for_selector("#line:has-text('supervised by')", timeout=15_000)
        browser.browser.close()
        assert browser.complaints == []

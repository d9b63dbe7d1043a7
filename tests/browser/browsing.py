"""A browser for the tests and the screenshots: Debian's Chromium, asking nobody but Nexus."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nexus.http.pages import DASHBOARD
from nexus.http.tokens import Codes
from tests.http.supervised import System

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium")
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
VIEWS = ("/", "/services", "/services/web", "/graph/database", "/ports", "/ports?show=map", "/why", "/why/web",
         "/history", "/logs/web", "/alerts", "/incidents", "/incidents?from=2&to=30",
         "/compare?from=2&to=30", "/endpoints", "/patterns")  # fmt: skip
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def missing() -> str:
    """What is missing to look at the dashboard, "" where nothing is."""
    if CHROMIUM is None:
        return "Chromium is not there: apt-get install chromium"
    if not (DASHBOARD / "index.html").is_file():
        return "the dashboard is not built: python hatch_build.py says why"
    if not AXE.is_file():
        return "axe-core is not there: npm ci in web/"
    return ""


def required() -> bool:
    """Whether nothing may be missing: where everything is to be tested."""
    return bool(os.environ.get("CI"))


class Browser:
    """A browser that writes down every complaint and every host that it asks."""

    def __init__(self, playwright: Any) -> None:
        self.chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def context(self, **options: Any) -> Any:
        """A fresh session; what its pages complain about is written down."""
        context = self.chromium.new_context(**{"viewport": DESK, **options})
        context.on("console", self._on_console)
        context.on("weberror", lambda it: self.complaints.append(str(it.error)))
        context.on("request", lambda it: self.requests.append(it.url))
        context.set_default_timeout(15_000)
        return context

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)


def enter(context: Any, system: System, path: str = "/") -> Any:
    """A page that came in as `nexus open` leads it."""
    page = context.new_page()
    page.goto(f"{system.url}{path}#code={Codes(system.home).make('page', 'operate')}")
    page.wait_for_selector("h1")
    return page


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """A browser for the length of a block."""
    from playwright.sync_api import sync_playwright  # slow to import, and only needed here

    with sync_playwright() as playwright:
        browser = Browser(playwright)
        try:
            yield browser
        finally:
            browser.chromium.close()

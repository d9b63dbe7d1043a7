"""The pictures of docs/guides/dashboard.md: `./dev screenshots`, of a small system in which something happened."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from tests.browser.browsing import DESK, PHONE, ROOT, browsing, enter, missing
from tests.browser.demo import configuration
from tests.http.supervised import System, supervised
from tests.waiting import until

ASSETS = ROOT / "docs" / "assets" / "dashboard"
PICTURES = {
    "overview-dark": ("/", "dark", DESK),
    "overview-light": ("/", "light", DESK), "overview-phone": ("/", "dark", PHONE),
    "why": ("/why/database", "light", DESK), "past": ("/services/database?at={failed}", "dark", DESK),
    "graph": ("/graph/database", "light", DESK),
}  # fmt: skip


def something_happens(system: System) -> int:
    """One service fails and comes back, another one answers badly; the position at which the first one was down."""
    with system.client() as client:
        pid = client.get("/api/services/database").json()["service"]["instances"][0]["pid"]
        os.kill(pid, signal.SIGKILL)
        until(lambda: client.get("/api/services/database").json()["service"]["state"] == "waiting", 10, "the end")
        failed = int(client.get("/api/status").json()["seq"])
        until(lambda: client.get("/api/services/database").json()["service"]["health"] == "healthy", 20, "the new run")
        (system.folder / "indexer.broken").touch()
        until(lambda: client.get("/api/services/indexer").json()["service"]["health"] == "unhealthy", 20, "bad answers")
    return failed


def picture(browser: Any, system: System, name: str, failed: int) -> None:
    """Take one picture."""
    path, scheme, viewport = PICTURES[name]
    context = browser.context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    page = enter(context, system)
    page.get_by_role("button", name="5 min", exact=True).click() if viewport is DESK else None
    page.evaluate("path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')) }",
                  path.format(failed=failed))  # fmt: skip
    page.wait_for_selector("main :is(td, li, p, .node)")
    page.wait_for_timeout(2500)
    page.screenshot(path=str(ASSETS / f"{name}.png"))
    context.close()


def main() -> int:
    """Take all of them."""
    lacking = missing()
    if lacking:
        print(f"screenshots: {lacking}")
        return 1
    ASSETS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with supervised(home, configuration(home)) as system, browsing() as browser:
            failed = something_happens(system)
            for name in PICTURES:
                picture(browser, system, name, failed)
    print(f"screenshots: {len(PICTURES)} in {ASSETS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

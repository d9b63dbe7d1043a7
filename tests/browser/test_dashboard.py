"""The dashboard in a real browser, over a real supervisor: live, in the past, and telling why."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import signal
import time
from typing import Any

import httpx
import psutil
import pytest

from nexus.http.pages import DASHBOARD
from tests.browser.browsing import AXE, VIEWS, Browser, enter
from tests.browser.conftest import all_well
from tests.http.supervised import System
from tests.waiting import until

TRIES = 3
RULES = {"dark": "{}", "light": "{runOnly: ['color-contrast']}"}
"""What axe looks for: themes differ in nothing but colour."""


def instance(system: System, name: str) -> dict[str, Any]:
    """What is known of the first instance of a service."""
    with system.client() as client:
        found: dict[str, Any] = client.get(f"/api/services/{name}").json()["service"]["instances"][0]
        return found


def kill(system: System, name: str) -> None:
    """Kill the process of a service."""
    os.kill(instance(system, name)["pid"], signal.SIGKILL)


def row(page: Any, name: str, health: str, **options: Any) -> Any:
    """Wait for the row of a service with that health."""
    return page.wait_for_selector(f'tr[data-service="{name}"][data-health="{health}"]', **options)


def test_a_killed_service_is_seen_at_once_and_heals(system: System, page: Any) -> None:
    """It is shown broken within a second without a reload, and well again once it is."""
    took_seconds = []
    for _ in range(TRIES):
        row(page, "web", "ok")
        began = time.monotonic()
        kill(system, "web")
        row(page, "web", "bad")
        took_seconds.append(time.monotonic() - began)
        assert "needs watching" in page.inner_text("h1")
    assert min(took_seconds) < 1.0, "the best of several, for this machine may be busy with something else"
    row(page, "web", "ok")
    page.get_by_role("heading", name="All 3 services are well").wait_for()


def test_one_click_tells_why(system: System, page: Any) -> None:
    """From the broken service to the event that broke it, the decision, and what was rejected."""
    kill(system, "worker")
    row(page, "worker", "bad")
    page.get_by_role("link", name=re.compile("Why is worker")).click()
    led_to_it = page.get_by_role("region", name="What led to it")
    led_to_it.get_by_text("worker.1 was ended by signal KILL").wait_for()
    card = page.get_by_role("region", name="The decision").inner_text()
    assert "restart.given_up" in card
    assert page.url.endswith("/why/worker")


def test_the_past_is_another_place(system: System, page: Any) -> None:
    """Stepped back before its end, the service is green, the page says so, and its controls are off."""
    kill(system, "worker")
    row(page, "worker", "bad")
    page.goto(f"{system.url}/services/worker")
    page.get_by_role("heading", name="worker failed").wait_for()
    page.keyboard.press("[")
    page.wait_for_url("**/services/worker?at=*")
    for _ in range(4):
        if page.get_by_role("heading", name="worker healthy").count():
            break
        address = page.url
        page.keyboard.press("[")
        until(lambda address=address: page.evaluate("location.href") != address, 10, "the event before")  # type: ignore[misc]
        seq = page.url.rpartition("=")[2]
        page.get_by_text(f"event {int(seq):,} ").wait_for()
    page.get_by_role("heading", name="worker healthy").wait_for()
    assert page.get_by_text("The past", exact=True).is_visible()
    assert page.get_by_role("button", name="Restart…").is_disabled()
    page.goto(page.url.replace("/services/worker", "/"))
    row(page, "worker", "ok")
    page.keyboard.press("Escape")
    row(page, "worker", "bad")
    assert "at=" not in page.url


def test_dragging_the_timeline_leaves_the_present(page: Any) -> None:
    """A press on the line goes to that moment; the button leads back."""
    line = page.get_by_role("slider", name="Moment")
    page.get_by_role("button", name="All", exact=True).click()
    line.locator("path[opacity]").first.wait_for(state="attached")
    box = line.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**/?at=*")
    page.get_by_role("button", name=re.compile("live")).click()
    page.wait_for_url(re.compile(r"/$"))


def test_a_stretch_of_the_timeline_becomes_an_incident(system: System, page: Any) -> None:
    """Drawn with the shift key, named, found again in the list, and let go."""
    page.get_by_role("button", name="All", exact=True).click()
    line = page.get_by_role("slider", name="Moment")
    line.locator("path[opacity]").first.wait_for(state="attached")
    box = line.bounding_box()
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_url("**/incidents?from=*&to=*")
    page.get_by_role("textbox", name="Name it").fill("first-minute")
    page.get_by_role("button", name="Mark").click()
    page.wait_for_url("**/incidents/first-minute")
    page.get_by_role("region", name="What happened").get_by_text("web.1 started as pid").first.wait_for()
    page.get_by_role("region", name="What is different after it").get_by_role("link", name="web.1").wait_for()
    page.goto(f"{system.url}/incidents")
    page.get_by_role("link", name="first-minute").click()
    page.get_by_role("button", name="Unmark").click()
    page.wait_for_url("**/incidents")
    page.get_by_role("link", name="first-minute").wait_for(state="detached")


def test_two_moments_are_compared(system: System, page: Any) -> None:
    """From a moment of the past to the present: which pid, which health, which port."""
    before, past = instance(system, "database")["pid"], head(system)
    kill(system, "database")
    until(
        lambda: instance(system, "database")["pid"] not in (None, before), 15, "a new run", (KeyError, httpx.HTTPError)
    )
    all_well(system)
    page.goto(f"{system.url}/?at={past}")
    page.get_by_role("link", name="Compare with now").click()
    page.wait_for_url(f"**/compare?from={past}")
    changed = page.get_by_role("row", name=re.compile("instance database.1"))
    changed.wait_for()
    assert f"pid {before}" in changed.inner_text()
    assert f"pid {instance(system, 'database')['pid']}" in changed.inner_text()


def test_a_service_is_restarted_from_the_page(system: System, page: Any) -> None:
    """The plan says what happens, then it happens."""
    before = instance(system, "database")["pid"]
    page.goto(f"{system.url}/services/database")
    page.get_by_role("button", name="Restart…").click()
    plan = page.get_by_role("dialog")
    plan.get_by_text(f"pid {before} is asked to end").wait_for()
    assert "web" in plan.inner_text()
    plan.get_by_role("button", name="Restart with this plan").click()
    until(lambda: instance(system, "database")["pid"] not in (None, before), 15, "a new run")
    page.get_by_text(re.compile(r"recorded as event \d+")).wait_for()


def test_a_stop_names_what_stops_before(system: System, page: Any) -> None:
    """The plan of a stop lists every service that needs it, the outermost first."""
    page.goto(f"{system.url}/services/database")
    page.get_by_role("button", name="Stop…").click()
    steps = page.get_by_role("list", name="The plan").locator("li b")
    steps.last.wait_for()
    assert steps.all_inner_texts() == ["worker", "web", "database"]


def test_a_port_is_found_by_keyboard(system: System, page: Any) -> None:
    """g p, /, the number, Enter: who has it."""
    port = instance(system, "web")["ports"]["main"]
    for key in ("g", "p"):
        page.keyboard.press(key)
    page.wait_for_url("**/ports")
    page.keyboard.press("/")
    page.keyboard.type(str(port))
    page.keyboard.press("Enter")
    page.get_by_text(re.compile(rf"{port} is used by web\.1")).wait_for()


def test_the_palette_opens_a_service(page: Any) -> None:
    """Control-K, a few letters, Enter."""
    page.keyboard.press("Control+k")
    page.keyboard.type("data")
    page.keyboard.press("Enter")
    page.wait_for_url("**/services/database")


def test_a_search_looks_at_all_history(system: System, page: Any) -> None:
    """The words go to the server, and into the address."""
    page.goto(f"{system.url}/history")
    page.get_by_role("searchbox", name="Search events").fill("configuration")
    page.wait_for_url("**/history?search=configuration")
    page.locator("[data-seq]", has_text="configuration.loaded").first.wait_for()
    assert all("configuration" in it for it in page.locator("[data-seq]").all_inner_texts())


def test_ten_tabs_are_live(system: System, browser: Browser) -> None:
    """Browsers allow six connections to a host: one worker listens for every tab, and a new tab is let in by it."""
    all_well(system)
    context = browser.context()
    pages = [enter(context, system)]
    for _ in range(9):
        tab = context.new_page()
        tab.goto(f"{system.url}/services", wait_until="commit")
        pages.append(tab)
    for tab in pages:
        tab.wait_for_selector('tr[data-service="worker"][data-health="ok"]')
    kill(system, "worker")
    for tab in pages:
        row(tab, "worker", "bad")
    context.close()


def api_processes(system: System) -> list[psutil.Process]:
    """The processes of the web API."""
    found = []
    for process in system.supervisor().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "nexus.http" in process.cmdline():
                found.append(process)
    return found


def seqs(page: Any) -> list[int]:
    """The positions of the events that are shown."""
    return [int(it) for it in page.eval_on_selector_all("[data-seq]", "all => all.map(it => it.dataset.seq)")]


def test_the_feed_goes_on_without_a_gap(system: System, page: Any) -> None:
    """The API is killed and something happens meanwhile: the page says so, and then shows every event."""
    page.goto(f"{system.url}/history")
    page.get_by_role("button", name="Unfold repeats").click()
    page.wait_for_selector("[data-seq]")
    first = seqs(page)[0]
    killed = api_processes(system)
    for process in killed:
        process.kill()
    page.get_by_text("Not connected").wait_for()
    assert system.nexus("restart", "worker").returncode == 0
    page.wait_for_selector(".live:not(.off)")
    until(lambda: instance(system, "worker")["health"] == "healthy", 20, "the worker again", httpx.HTTPError)
    page.wait_for_selector(f'[data-seq="{head(system)}"]')
    shown = seqs(page)
    assert shown[0] > first
    assert shown == list(range(shown[0], shown[0] - len(shown), -1))
    assert first in shown


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_view_can_be_used_by_everybody(system: System, browser: Browser, scheme: str) -> None:
    """axe finds no violation on any view, live and in the past."""
    all_well(system)
    context = browser.context(color_scheme=scheme, reduced_motion="reduce")
    page = enter(context, system)
    page.evaluate(AXE.read_text("utf-8"))
    found = []
    for path in (*VIEWS, f"/?at={head(system) - 1}", f"/services/web?at={head(system) - 1}"):
        go(page, path)
        page.wait_for_selector("main :is(td, li, p, .node, .line)")
        report = page.evaluate(
            "axe.run(document, {...rules, resultTypes: ['violations']})".replace("...rules", f"...{RULES[scheme]}")
        )
        found += [f"{path}: {it['id']}: {node['target'][0]}" for it in report["violations"] for node in it["nodes"]]
    context.close()
    assert found == []


def go(page: Any, path: str) -> None:
    """Go to an address inside the page, as its links do."""
    page.evaluate("path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')) }", path)


def head(system: System) -> int:
    """The position of the last event."""
    return int(system.status["seq"])


def test_the_page_asks_nobody_else(system: System, browser: Browser) -> None:
    """Every request of every test went to Nexus."""
    assert {it for it in browser.requests if not it.startswith((system.url, "blob:", "data:"))} == set()


def test_the_page_is_small(system: System) -> None:
    """Everything it loads is at most 150 kB compressed, fonts included."""
    files = [it for it in DASHBOARD.rglob("*") if it.is_file() and not it.name.startswith(".")]
    sizes = {it.name: len(gzip.compress(it.read_bytes())) for it in files}
    assert sum(sizes.values()) <= 150_000, sizes

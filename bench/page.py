"""The dashboard under load: frames, long tasks, first paint and size, with 1,000 events a second of 200 services."""

from __future__ import annotations

import gzip
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from bench.history import Machine
from events.catalog import PortOpened, PortOwner
from events.envelope import Recorded
from events.log import Log
from nexus.http.pages import DASHBOARD
from tests.browser.browsing import browsing, missing
from tests.http.running import Api, running

SERVICES, EVENTS_PER_SECOND, OPEN_PORTS = 200, 1_000, 2_000
BATCH = 20
SECONDS, QUICK_SECONDS = 10.0, 3.0
VIEWS = {"feed": "/history", "overview": "/", "ports": "/ports?show=map", "graph": "/graph"}

WATCH = """
window.tasks = []
new PerformanceObserver(list => list.getEntries().forEach(it => window.tasks.push(it.duration)))
  .observe({type: 'longtask', buffered: true})
"""
FRAMES = """
seconds => new Promise(done => {
  window.tasks.length = 0
  let frames = 0
  const began = performance.now()
  const next = now => {
    frames++
    if (now - began < seconds * 1000) requestAnimationFrame(next)
    else done({fps: frames / ((now - began) / 1000), tasks: window.tasks})
  }
  requestAnimationFrame(next)
})
"""
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


class Writer(threading.Thread):
    """Writes a history as it happens, at a steady rate."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self.log = Log.open(home)
        self.at, self.written, self.enough = 0, 0, threading.Event()
        self.machine = Machine(names=[f"service-{number:03}" for number in range(SERVICES)])
        self.history = self._now(self.machine.events(10**9))
        # Every service has begun before anybody looks.
        self.append(SERVICES * 6)
        self._open_ports()

    def _now(self, events: Iterator[Recorded]) -> Iterator[Recorded]:
        for it in events:
            self.at = max(self.at + 1, time.time_ns() // 1_000)
            yield msgspec.structs.replace(it, at=self.at)

    def append(self, count: int) -> None:
        """So many more events in one commit."""
        self.log.append(list(islice(self.history, count)))
        self.written += count

    def _open_ports(self) -> None:
        owner = (PortOwner(pid=1, command="other", user="somebody"),)
        head = self.log.head.seq
        self.log.append([
            Recorded(head + 1 + number, self.at, PortOpened(port=1024 + number * 31, address="*", owners=owner))
            for number in range(OPEN_PORTS)
        ])  # fmt: skip
        # The machine goes on numbering where the log is now.
        self.machine.seq += OPEN_PORTS

    def run(self) -> None:
        """Until it is enough."""
        began, before = time.monotonic(), self.written
        while not self.enough.wait(max(0.0, began + (self.written - before) / EVENTS_PER_SECOND - time.monotonic())):
            self.append(BATCH)


def run(quick: bool) -> dict[str, Any]:
    """The figures of one run."""
    if lacking := missing():
        return {"figures": {"page": {"missing": lacking}}, "ratios": {}}
    seconds = QUICK_SECONDS if quick else SECONDS
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder))
        with running(writer.log.home) as api, browsing() as browser:
            writer.start()
            try:
                figures = _look(api, browser, seconds)
            finally:
                writer.enough.set()
                writer.join()
                writer.log.close()
    return {"figures": {"page": {**figures, **_size()}}, "ratios": {}}


def _look(api: Api, browser: Any, seconds: float) -> dict[str, float]:
    """Frames a second of each view, the longest task in any of them, and the first paint."""
    context = browser.context()
    page = context.new_page()
    page.add_init_script(f"sessionStorage.setItem('nexus-token', {api.token!r});{WATCH}")
    page.goto(api.url)
    page.wait_for_selector("h1")
    figures, tasks = {"first_paint_ms": round(page.evaluate(FIRST_PAINT), 1)}, list[float]()
    for name, path in VIEWS.items():
        page.evaluate(
            "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')) }", path
        )
        page.wait_for_timeout(1500)
        seen = page.evaluate(FRAMES, seconds)
        figures[f"{name}_fps"] = round(seen["fps"], 1)
        tasks += seen["tasks"]
    context.close()
    return {**figures, "long_tasks": sum(it > 100 for it in tasks), "longest_task_ms": round(max(tasks, default=0.0))}


def _size() -> dict[str, float]:
    """What is sent, compressed."""
    sizes = {it: len(gzip.compress(it.read_bytes())) for it in DASHBOARD.rglob("*") if it.is_file()}
    return {
        "js_kb_gzip": round(sum(size for it, size in sizes.items() if it.suffix == ".js") / 1000, 1),
        "all_kb_gzip": round(sum(sizes.values()) / 1000, 1),
    }

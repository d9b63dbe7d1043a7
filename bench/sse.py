"""The live feed with many clients: how late each event comes, and what that does to the watch itself."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from events.catalog import RunStarted
from events.reader import Reader
from nexus.http.tokens import Tokens
from nexus.platforms.control import request

CLIENTS, QUICK_CLIENTS = 500, 100
EVENTS_PER_SECOND = 100
KILLS, QUICK_KILLS = 60, 15
SETTLE_SECONDS = 1.0

CONFIGURATION = """
[services.victim]
command = "sleep 600"
restart = { delays = ["0s"], attempts_max = 100000 }
[services.idle]
command = "sleep 600"
"""

_event = re.compile(rb'id: (\d+)\ndata: \{"seq":\d+,"id":"[^"]*","at":"([^"]*)"')


class Client(asyncio.Protocol):
    """One client; `lags` in seconds are shared by all, as are the moments at which events happened."""

    lags: ClassVar[list[float]] = []
    moments: ClassVar[dict[int, float]] = {}

    def __init__(self, head: bytes) -> None:
        self.head, self.last, self.gaps, self.text = head, 0, 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.head)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        text = self.text + data
        end = text.rfind(b"\n\n") + 2
        self.text = text[end:]
        for match in _event.finditer(text, 0, end):
            seq = int(match[1])
            moment = self.moments.get(seq)
            if moment is None:
                moment = self.moments[seq] = datetime.fromisoformat(match[2].decode()).timestamp()
            self.gaps += self.last not in (0, seq - 1)
            self.last = seq
            self.lags.append(now - moment)


async def listen(port: int, token: str, clients: int) -> None:
    """Be that many clients until a line comes in, then say what they saw."""
    head = f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    found = [(await loop.create_connection(lambda: Client(head), "127.0.0.1", port))[1] for _ in range(clients)]
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    Client.lags.clear()
    for one in found:
        one.last = 0
    await loop.run_in_executor(None, sys.stdin.readline)
    lags = sorted(Client.lags)
    seen = {
        "clients": sum(one.last > 0 for one in found),
        "received": len(lags),
        "gaps": sum(one.gaps for one in found),
        "lag_p50_ms": lags[len(lags) // 2] * 1000,
        "lag_p99_ms": lags[len(lags) * 99 // 100] * 1000,
        "lag_max_ms": lags[-1] * 1000,
    }
    print(json.dumps(seen), flush=True)


class Load:
    """Commands that change nothing, each of them an event, at a steady rate."""

    def __init__(self, home: Path) -> None:
        self.home, self.sent = home, 0
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._enough.wait(max(0.0, due - time.monotonic())):
            payload = {"verb": "start", "services": ["idle"], "command_id": str(uuid.uuid4())}
            list(request(self.home, json.dumps(payload).encode()))
            self.sent += 1
            due += 1 / EVENTS_PER_SECOND

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()


class System:
    """A supervisor over two services, and its web API."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / ".nexus"
        (folder / "nexus.toml").write_text(CONFIGURATION)
        self.nexus("up", "-d")
        self.status = json.loads(self.nexus("status", "--json"))
        self.port = int(self.status["url"].rpartition(":")[2])

    def nexus(self, *arguments: str) -> str:
        """What a command says."""
        done = subprocess.run(
            [sys.executable, "-m", "nexus.main", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def crash_to_running_ms(self, kills: int) -> float:
        """The median time from the end of a process to the moment at which the next one was recorded to run."""
        with Reader(self.home) as reader:
            return statistics.median(self._crash(reader) for _ in range(kills))

    def _crash(self, reader: Reader) -> float:
        started = next(
            it for it in reader.rows(kinds=[RunStarted.kind()], streams=["service/victim"], newest_first=True)
        )
        event = started.event
        assert isinstance(event, RunStarted)
        killed_at = time.time()
        os.kill(event.pid, signal.SIGKILL)
        while True:
            time.sleep(0.05)
            for again in reader.rows(started.seq, kinds=[RunStarted.kind()], streams=["service/victim"]):
                return again.at / 1000 - killed_at * 1000


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def api_pid(home: Path) -> int:
    """The process of the web API."""
    with Reader(home) as reader:
        row = next(reader.rows(kinds=[RunStarted.kind()], streams=["service/nexus-api"], newest_first=True))
    event = row.event
    assert isinstance(event, RunStarted)
    return event.pid


def run(quick: bool) -> dict[str, Any]:
    """The figures of one run."""
    clients, kills = (QUICK_CLIENTS, QUICK_KILLS) if quick else (CLIENTS, KILLS)
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder))
        try:
            with Load(system.home):
                alone_ms = system.crash_to_running_ms(kills)
                seen, watched_ms, cpu = _with_clients(system, clients, kills)
        finally:
            with suppress(subprocess.CalledProcessError):
                system.nexus("down")
    figures = {**seen, "api_cpu": cpu, "crash_to_running_alone_ms": alone_ms, "crash_to_running_watched_ms": watched_ms}
    return {"figures": {"nexus": figures}, "ratios": {"watched_vs_alone": watched_ms / alone_ms}}


def _with_clients(system: System, clients: int, kills: int) -> tuple[dict[str, Any], float, float]:
    arguments = [str(system.port), Tokens(system.home).default(), str(clients)]
    with subprocess.Popen(
        [sys.executable, "-m", "bench.sse", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as crowd:
        assert crowd.stdin
        assert crowd.stdout
        crowd.stdout.readline()
        time.sleep(SETTLE_SECONDS)
        crowd.stdin.write("begin\n")
        crowd.stdin.flush()
        pid, began, used = api_pid(system.home), time.monotonic(), cpu_seconds(api_pid(system.home))
        watched_ms = system.crash_to_running_ms(kills)
        cpu = (cpu_seconds(pid) - used) / (time.monotonic() - began)
        crowd.stdin.write("end\n")
        crowd.stdin.flush()
        return json.loads(crowd.stdout.readline()), watched_ms, cpu


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("port", "token", "clients"):
        parser.add_argument(name)
    given = parser.parse_args()
    asyncio.run(listen(int(given.port), given.token, int(given.clients)))

"""Crash to running, cold start, memory, idle processor time, and what survives: Nexus beside its peers in one run."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.install import install
from bench.peers import PEERS, Peer, start

SERVICES = 50
KILLS = 100
IDLE_SECONDS = 30.0
YOUNG_SECONDS = 1.5
"""Some do not restart at once what ended sooner than this."""


class Starts:
    """Every start of a service, as it says so itself: a line `NAME PID` through a pipe, stamped on arrival."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "starts"
        os.mkfifo(self.path)
        self._pipe = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""
        self.pids: dict[str, list[int]] = {}
        self.begun_at: dict[str, float] = {}

    def command(self, name: str) -> list[str]:
        """A quiet service that says when it is there."""
        return ["/bin/sh", "-c", f"echo {name} $$ > {self.path}; exec sleep 1000000"]

    def until(self, names: set[str], timeout_seconds: float) -> float:
        """The moment at which the last of these services has started."""
        left, give_up_at = set(names), time.perf_counter() + timeout_seconds
        while left:
            ready, _, _ = select.select([self._pipe], [], [], max(0.0, give_up_at - time.perf_counter()))
            if not ready:
                raise TimeoutError(f"{sorted(left)} did not start within {timeout_seconds:g} s")
            left -= self._read()
        return time.perf_counter()

    def _read(self) -> set[str]:
        *lines, self._rest = (self._rest + os.read(self._pipe, 65_536)).split(b"\n")
        seen = set()
        for line in lines:
            name, pid = line.decode().split()
            self.pids.setdefault(name, []).append(int(pid))
            self.begun_at[name] = time.perf_counter()
            seen.add(name)
        return seen

    def drain(self) -> None:
        """Take in what has arrived."""
        while select.select([self._pipe], [], [], 0)[0]:
            self._read()

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._pipe)


def run(quick: bool = False) -> dict[str, Any]:
    """Figures of each peer that is installed here; the others are named with the reason."""
    install()
    figures: dict[str, dict[str, float | str]] = {}
    for peer in PEERS:
        missing = peer.missing()
        try:
            figures[peer.name] = {"missing": missing} if missing else _measure(peer, quick)
        except TimeoutError as error:
            figures[peer.name] = {"missing": str(error)}
    others = [
        float(figure["crash_to_running_ms"])
        for name, figure in figures.items()
        if name != "nexus" and "crash_to_running_ms" in figure
    ]
    ours = figures["nexus"].get("crash_to_running_ms")
    ratios = {"crash_to_running_vs_fastest_peer": float(ours) / min(others)} if ours and others else {}
    return {"figures": figures, "ratios": ratios}


def _measure(peer: Peer, quick: bool) -> dict[str, float | str]:
    names = [f"s{number:02}" for number in range(10 if quick else SERVICES)]
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        folder = Path(directory)
        starts = Starts(folder)
        peer.write(folder, {name: starts.command(name) for name in names})
        with _running(peer, folder, starts) as processes:
            began = time.perf_counter()
            processes.append(start(peer, folder))
            figures: dict[str, float | str] = {
                f"cold_{len(names)}_ms": (starts.until(set(names), 60) - began) * 1e3
            }  # fmt: skip
            if peer.restarts:
                figures |= _crashes(starts, names, 10 if quick else KILLS)
            figures |= _idle(processes[0].pid, starts, 3.0 if quick else IDLE_SECONDS)
            figures |= _survival(peer, folder, processes, starts, names)
        starts.close()
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}


@contextlib.contextmanager
def _running(peer: Peer, folder: Path, starts: Starts) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Whatever was started is ended again: the supervisor first, then each service by its pid."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        yield processes
    finally:
        if peer.stop:
            subprocess.run(peer.stop(folder), check=False, capture_output=True, timeout=60)
        while left := [*_of_folder(folder), *_services(starts)]:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            for process in processes:
                process.wait()


def _of_folder(folder: Path) -> list[int]:
    """The processes that work in our folder or name it: the supervisor, and the helpers that outlive it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            ours = str(folder) in (process.cwd(), *process.cmdline()) or process.cwd().startswith(f"{folder}/")
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def _services(starts: Starts) -> list[int]:
    """Our services that still run; each says its pid, and what has it now is looked at before it is trusted."""
    starts.drain()
    found = []
    for pid in {pid for pids in starts.pids.values() for pid in pids}:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.cmdline() == ["sleep", "1000000"] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
    return found


def _crashes(starts: Starts, names: list[str], kills: int) -> dict[str, float]:
    chance, took_ms = random.Random(7), []
    for number in range(kills):
        if number % len(names) == 0:
            chance.shuffle(names)
        name = names[number % len(names)]
        time.sleep(max(0.02, starts.begun_at[name] + YOUNG_SECONDS - time.perf_counter()))
        began = time.perf_counter()
        os.kill(starts.pids[name][-1], signal.SIGKILL)
        took_ms.append((starts.until({name}, 30) - began) * 1e3)
    ordered = sorted(took_ms)
    return {
        "crash_to_running_ms": statistics.median(took_ms),
        "crash_to_running_p90_ms": ordered[int(len(ordered) * 0.9)],
        "crash_to_running_max_ms": ordered[-1],
    }


def _tree(pid: int, starts: Starts) -> list[int]:
    """The supervisor's own processes: everything below it but the services."""
    services = {pid for pids in starts.pids.values() for pid in pids}
    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True) if child.pid not in services]
    return []


def _idle(pid: int, starts: Starts, seconds: float) -> dict[str, float]:
    own = [pid, *_tree(pid, starts)]
    before = _processor_seconds(own)
    time.sleep(seconds)
    memory = sum(_pss_bytes(one) for one in own)
    return {f"idle_cpu_s_in_{seconds:g}_s": _processor_seconds(own) - before, "pss_mb": memory / 1e6}


def _processor_seconds(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


def _pss_bytes(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_full_info().pss)
    return 0


def _survival(
    peer: Peer, folder: Path, processes: list[subprocess.Popen[bytes]], starts: Starts, names: list[str]
) -> dict[str, float]:
    """Kill the supervisor, start it again: which of the services are still the same, which run twice?"""
    before = {name: starts.pids[name][-1] for name in names}
    processes[0].kill()
    processes[0].wait()
    time.sleep(0.5)
    processes.append(start(peer, folder))
    time.sleep(3.0)
    starts.drain()
    alive = {name: [pid for pid in set(starts.pids[name]) if psutil.pid_exists(pid)] for name in names}
    return {
        "kept_after_kill": float(sum(before[name] in alive[name] for name in names)),
        "duplicated_after_kill": float(sum(len(pids) > 1 for pids in alive.values())),
    }

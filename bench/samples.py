"""Samples: what it costs to measure many services each second, and what a day of it takes on the disk."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from events.sample_files import Layout, Row, frame, read_frames, seal, tick_of
from events.samples import Samples
from nexus.platforms.clock import AnchoredClock
from nexus.platforms.current import open_platform
from nexus.sensors.resources import ResourceSensor
from projections.services import Instance, Services
from projections.state import State

COUNTS = (100, 200)
TICKS = 30
BUSY_SHARE = 10
HOURS = 24
BUSY = "import time\nwhile True:\n    sum(range(20_000)); time.sleep(0.2); open('/dev/null', 'w').close()"


def run(quick: bool = False) -> dict[str, Any]:
    """A tenth of the services work now and then, the others sleep; psutil looks at the same ones in the same run."""
    figures: dict[str, dict[str, float]] = {"nexus": {}, "psutil": {}}
    for count in (20,) if quick else COUNTS:
        pids = [_start(number).pid for number in range(count)]
        try:
            ticks_ms = _ticks(pids, 5 if quick else TICKS)
            figures["nexus"] |= {
                f"tick_{count}_cpu_ms": statistics.median(ticks_ms),
                f"tick_{count}_cpu_ms_max": max(ticks_ms),
            }
            figures["psutil"] |= {f"tick_{count}_cpu_ms": _psutil_ms(pids)}
        finally:
            for pid in pids:
                os.kill(pid, 9)
                os.waitpid(pid, 0)
    for name, share in (("quiet", 0), ("a_tenth_busy", 10), ("all_busy", 100)):
        size, seconds = _day(20 if quick else 100, share)
        figures["nexus"] |= {f"day_100_mb_{name}": size, f"seal_hour_100_cpu_s_{name}": seconds}
    figures = {who: {name: round(value, 3) for name, value in them.items()} for who, them in figures.items()}
    last = 20 if quick else COUNTS[-1]
    ours, theirs = (figures[who][f"tick_{last}_cpu_ms"] for who in ("nexus", "psutil"))
    return {"figures": figures, "ratios": {"tick_vs_psutil": round(ours / theirs, 3)}}


def _start(number: int) -> subprocess.Popen[bytes]:
    busy = number % BUSY_SHARE == 0
    command = ["python3", "-c", BUSY] if busy else ["sleep", "1000000"]
    return subprocess.Popen(command, start_new_session=True)


def _ticks(pids: list[int], ticks: int) -> list[float]:
    """The processor time of each tick but the first."""
    instances = {f"s{number}.1": Instance(f"s{number}.1", f"s{number}", pid=pid) for number, pid in enumerate(pids)}
    state = State(services=Services(instances=instances))
    took_ms = []
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        home = Path(directory)
        platform = open_platform(home)
        samples = Samples(home, 1 << 30, 86_400.0)
        sensor = ResourceSensor(platform.meter, samples, AnchoredClock(), lambda _: None, lambda: state, home)
        for _ in range(ticks):
            time.sleep(1.0)
            began = time.process_time()
            sensor.look()
            took_ms.append((time.process_time() - began) * 1e3)
        platform.inventory.close()
        return took_ms[1:]


def _psutil_ms(pids: list[int]) -> float:
    processes = [psutil.Process(pid) for pid in pids]
    took_ms = []
    for _ in range(5):
        began = time.process_time()
        for process in processes:
            with process.oneshot():
                process.cpu_times(), process.memory_info(), process.num_threads(), process.num_fds()
                process.io_counters()
        took_ms.append((time.process_time() - began) * 1e3)
    return statistics.median(took_ms)


def _day(count: int, busy_percent: int) -> tuple[float, float]:
    """The MB that a day of made-up services takes, from one sealed hour, and the processor time of sealing it."""
    chance = random.Random(7)
    names = tuple(f"s{number}.1" for number in range(count))
    layout, memory = Layout(names), {name: 50_000 + chance.randrange(50_000) * 4 for name in names}
    frames = [frame(layout)]
    for second in range(3600):
        rows = {}
        for number, name in enumerate(names):
            rows[name] = _row(chance, memory, name, busy=number * 100 < busy_percent * count)
        frames.append(
            frame(tick_of(1_770_000_000_000_000 + second * 1_000_000 + chance.randrange(3_000), layout, rows))
        )
    began = time.process_time()
    size = len(seal(read_frames(b"".join(frames))))
    return size * HOURS / 1e6 * 100 / count, (time.process_time() - began) * 100 / count


def _row(chance: random.Random, memory: dict[str, int], name: str, busy: bool) -> Row:
    if not busy:
        memory[name] += 4 * chance.randrange(-5, 8) if chance.random() < 0.02 else 0
        return (1 if chance.random() < 0.02 else 0, memory[name], 1, 4, 20, 0, 0)
    if chance.random() < 0.5:
        memory[name] = max(4_000, memory[name] + 4 * chance.randrange(-60, 61))
    return (
        chance.randrange(5, 60), memory[name], 3, 12, 20 + chance.randrange(12), chance.choice((0, 0, 0, 64)),
        4 * chance.randrange(50),
    )  # fmt: skip

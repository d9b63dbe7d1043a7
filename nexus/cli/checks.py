"""What `nexus doctor` looks at: known causes of trouble, each with advice."""

from __future__ import annotations

import importlib.metadata
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec
import psutil

import events
import nexus
from events import files
from events.errors import LogError
from events.files import numbers
from events.lock import holder
from nexus.cli.channel import running_pid
from nexus.cli.output import now_micros
from nexus.cli.problems import ProblemError
from nexus.config.errors import ConfigurationError
from nexus.config.files import find, load
from nexus.platforms.detach import is_alive
from nexus.platforms.filesystems import network_file_system
from nexus.platforms.limits import limits
from nexus.platforms.sockets import SystemSockets
from projections.history import History

DISTRIBUTION = "luminar-nexus"
FREE_BYTES = (16 << 20, 256 << 20)
"""Below the first the log is about to stop, below the second somebody ought to look."""

LIMITS = {"open files": 1024, "processes": 1024}
CLOCK_SECONDS = 2.0
WAL_BUG = ((3, 7, 0), (3, 51, 3))
"""Two connections that write or checkpoint at once can lose events: the WAL-reset bug of sqlite.org/wal.html."""

Result = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    result: Result
    found: str
    advice: str = ""


def checks(start: Path, home: Path | None) -> Iterator[Check]:
    """Every check, for the project at `start` and its home, None where there is none."""
    yield _packages()
    yield _sqlite()
    yield from _limits()
    yield _configuration(start)
    if home is None:
        return
    for check in (_file_system, _room, _ports, _clock, _supervisor, _log):
        yield _safely(check, home)


def _safely(check: Callable[[Path], Check], home: Path) -> Check:
    """A check that can't be made is a finding of its own."""
    try:
        return check(home)
    except (OSError, LogError, ProblemError, msgspec.DecodeError) as error:
        return Check(check.__name__.strip("_").replace("_", " "), "fail", str(error), "see `nexus verify`")


def _packages() -> Check:
    """Another distribution with a package `events` would replace ours."""
    ours = Path(nexus.__path__[0]).parent
    found = Path(events.__path__[0])
    owners = sorted(set(importlib.metadata.packages_distributions().get("events", [])) - {DISTRIBUTION})
    advice = f"install Nexus in an environment of its own: `uv tool install {DISTRIBUTION}`"
    if found.parent != ours:
        return Check("packages", "fail", f"the package events comes from {found}, not from {ours}", advice)
    if owners:
        return Check("packages", "fail", f"{', '.join(owners)} has a package named events too", advice)
    return Check("packages", "ok", f"{DISTRIBUTION} {importlib.metadata.version(DISTRIBUTION)} in {ours}")


def _sqlite() -> Check:
    first, mended = WAL_BUG
    note = ""
    if first <= sqlite3.sqlite_version_info < mended:
        note = "; it has the WAL-reset bug, which needs two writers: Nexus has one"
    return Check("sqlite", "ok", f"SQLite {sqlite3.sqlite_version}{note}")


def _limits() -> Iterator[Check]:
    for name, limit in limits().items():
        if limit is not None and limit < LIMITS[name]:
            advice = f"raise it to {LIMITS[name]} or more (`ulimit`): each service needs some"
            yield Check(name, "warn", f"at most {limit}", advice)
        else:
            yield Check(name, "ok", "no limit" if limit is None else f"at most {limit}")


def _configuration(start: Path) -> Check:
    path = find(start)
    if path is None:
        return Check(
            "configuration", "warn", f"no nexus.toml in {start} or above", "write a first one with `nexus init`"
        )
    try:
        configuration = load(path)
    except ConfigurationError as error:
        return Check("configuration", "fail", str(error), "mend the file; nothing starts until then")
    return Check("configuration", "ok", f"{path} declares {len(configuration.declared)} services")


def _file_system(home: Path) -> Check:
    network = network_file_system(home)
    if network:
        advice = "name a home on a local disk with --home: network file systems break the locks of the log"
        return Check("file system", "fail", f"{home} is on {network}", advice)
    return Check("file system", "ok", f"{home} is on a local disk")


def _room(home: Path) -> Check:
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    free_bytes = psutil.disk_usage(str(folder)).free
    result: Result = "fail" if free_bytes < FREE_BYTES[0] else "warn" if free_bytes < FREE_BYTES[1] else "ok"
    advice = "" if result == "ok" else "make room: the log needs it to go on"
    return Check("disk", result, f"{free_bytes >> 20} MiB free", advice)


def _ports(home: Path) -> Check:
    first, last = SystemSockets().ephemeral_range()
    pool = History(home).at().supervisor.pool
    if pool.first <= last and first <= pool.last:
        advice = f"set `pool` in nexus.toml to a range outside of {first}-{last}: the system gives those to anybody"
        return Check("ports", "warn", f"the pool {pool.first}-{pool.last} overlaps the system's {first}-{last}", advice)
    return Check("ports", "ok", f"the pool {pool.first}-{pool.last} is apart from the system's {first}-{last}")


def _clock(home: Path) -> Check:
    at = History(home).reader.head.at if numbers(home) else 0
    behind_seconds = (at - now_micros()) / 1e6
    if behind_seconds > CLOCK_SECONDS:
        found = f"it is {behind_seconds:.0f} s before the last event"
        return Check("clock", "warn", found, "set the clock; Nexus goes on from the last event's moment")
    return Check("clock", "ok", "after the last event")


def _supervisor(home: Path) -> Check:
    pid = running_pid(home)
    if pid is not None:
        return Check("supervisor", "ok", f"pid {pid} answers")
    locked = holder(home / files.LOCK)
    if locked is not None and is_alive(locked):
        advice = f"look at {home / 'supervisor.log'}; if it hangs, end process {locked}: its services go on"
        return Check("supervisor", "warn", f"pid {locked} holds the log and does not answer", advice)
    state = History(home).at()
    if state.supervisor.pid:
        left = len(state.services.runs)
        found = f"the last one (pid {state.supervisor.pid}) ended without a word; {left} runs were left to themselves"
        return Check("supervisor", "warn", found, "`nexus up -d` takes over again")
    return Check("supervisor", "ok", "none runs")


def _log(home: Path) -> Check:
    if not numbers(home):
        return Check("log", "ok", "nothing has been recorded yet")
    reader, kept = History(home).reader, files.read_head(home)
    head = reader.head
    if kept is None:
        return Check(
            "log", "warn", f"{head.seq} events; no head is kept outside", "`nexus verify` checks what there is"
        )
    stored = reader.get(kept.seq)
    if stored is None or stored.hash.hex() != kept.hash:
        found = f"event {kept.seq} is {'missing' if stored is None else 'not the one that was recorded'}"
        return Check("log", "fail", found, "`nexus verify` tells the whole story")
    return Check("log", "ok", f"{head.seq} events, the head agrees; `nexus verify` checks each of them")

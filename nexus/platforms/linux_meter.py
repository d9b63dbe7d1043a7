"""What processes use, from /proc: one read of a file that is kept open, for a process that did nothing since the last.

The kernel adds what a child used to its parent once that has waited for it, so the sum over a tree that lives now, with
the children that were waited for, is what the tree used so far.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from nexus.platforms.base import Figures, Machine
from nexus.platforms.linux_cgroup import cores, memory_limit_bytes
from nexus.platforms.posix_tree import MARKER

KEPT_OPEN_MAX = 512
SLOW_EVERY_LOOKS = 10
"""How often open files and disk are looked at of a process that did not use a tick of the clock meanwhile."""

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Process:
    """A process that is followed, with its figures at the last look."""

    __slots__ = (
        "cpu",
        "files",
        "instance",
        "looks",
        "memory",
        "name",
        "read",
        "stat",
        "stat_file",
        "threads",
        "written",
    )

    def __init__(self, name: str, instance: str, stat_file: int) -> None:
        self.name, self.instance, self.stat_file = name, instance, stat_file
        self.stat = b""
        self.cpu = self.memory = self.threads = self.looks = 0
        self.files: int | None = None
        self.read: int | None = None
        self.written: int | None = None


class LinuxMeter:
    """The processes of all instances of a home; what is new in /proc is looked at once, to find out whose it is."""

    def __init__(self, home: Path) -> None:
        self._marker = os.fsencode(f"{MARKER}={Path(os.path.realpath(home)) / 'runs'}/")
        self._seen: set[str] = set()
        self._processes: dict[str, _Process] = {}
        self._roots: dict[str, int] = {}
        self._sessions: dict[bytes, str] = {}
        self._open = 0
        self._looks = 0

    def look(self, roots: Mapping[str, int]) -> Mapping[str, Figures]:
        """The figures of each instance; one that has ended meanwhile is left out."""
        self._looks += 1
        self._follow(roots)
        sums: dict[str, list[int]] = {}
        unknown: dict[str, set[int]] = {}
        for name, process in list(self._processes.items()):
            if process.instance not in roots or not self._measure(process):
                self._forget(name)
                continue
            one = sums.setdefault(process.instance, [0] * 7)
            figures = (process.cpu, process.memory, 1, process.threads, process.files, process.read, process.written)
            for place, figure in enumerate(figures):
                if figure is None:
                    unknown.setdefault(process.instance, set()).add(place)
                else:
                    one[place] += figure
        return {name: _shown(one, unknown.get(name, ())) for name, one in sums.items()}

    def _follow(self, roots: Mapping[str, int]) -> None:
        if self._roots != roots:
            self._begin(roots)
        now = set(os.listdir("/proc"))
        for name in self._seen - now:
            self._forget(name)
        stats = {name: stat for name in now - self._seen if name.isdigit() and (stat := _stat(name))}
        self._seen = now
        for name, stat in stats.items():
            if name not in self._processes and (instance := self._whose(name, stat, stats)):
                self._keep(name, instance)

    def _begin(self, roots: Mapping[str, int]) -> None:
        """A root that is new or another process than before brings its whole tree: everything is looked at again."""
        for name, pid in roots.items():
            if pid != os.getpid() and self._roots.get(name) != pid and (stat := _stat(str(pid))):
                self._sessions[stat[3]] = name
        alive = {name for name, pid in roots.items() if self._roots.get(name) == pid}
        self._sessions = {session: name for session, name in self._sessions.items() if name in roots}
        for name, process in list(self._processes.items()):
            if process.instance not in alive:
                self._forget(name)
        self._roots = dict(roots)
        self._seen = set(self._processes)

    def _whose(self, name: str, stat: list[bytes], new: Mapping[str, list[bytes]], depth: int = 0) -> str:
        """The instance that a process belongs to, by session, parent or marker; a shim belongs to none."""
        if (known := self._processes.get(name)) is not None:
            return known.instance
        session, parent, we = stat[3], stat[1].decode(), str(os.getpid())
        if name == we:
            return next((it for it, pid in self._roots.items() if pid == os.getpid()), "")
        if (instance := self._sessions.get(session)) is not None:
            return "" if session == name.encode() and self._roots[instance] != int(name) else instance
        if parent in (we, "1"):
            return self._marked(name)
        if (known := self._processes.get(parent)) is not None:
            return known.instance
        if parent in new and depth < len(new):
            return self._whose(parent, new[parent], new, depth + 1)
        return ""

    def _marked(self, name: str) -> str:
        """An orphan that came to us, or to init, carries the name of its instance, and the home that is its own."""
        with contextlib.suppress(OSError):
            environment = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            if any(it.startswith(self._marker) for it in environment):
                named = [it for it in environment if it.startswith(b"NEXUS_INSTANCE=")]
                instance = named[0].partition(b"=")[2].decode() if named else ""
                return instance if instance in self._roots else ""
        return ""

    def _keep(self, name: str, instance: str) -> None:
        file = -1
        if self._open < KEPT_OPEN_MAX:
            with contextlib.suppress(OSError):
                file = os.open(f"/proc/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
                self._open += 1
        self._processes[name] = _Process(name, instance, file)

    def _forget(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None and process.stat_file >= 0:
            os.close(process.stat_file)
            self._open -= 1

    def _measure(self, process: _Process) -> bool:
        """Whether it is still there; a file that is kept open never shows another process of the same number."""
        try:
            stat = os.pread(process.stat_file, 1024, 0) if process.stat_file >= 0 else _read(f"{process.name}/stat")
        except OSError:
            return False
        process.looks += 1
        if stat == process.stat and process.looks % SLOW_EVERY_LOOKS:
            return True
        fields = stat[stat.rindex(b")") + 2 :].split(b" ", 22)
        if fields[0] in (b"Z", b"X"):
            return False
        process.stat = stat
        process.cpu = int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
        process.memory, process.threads = int(fields[21]) * _PAGE, int(fields[17])
        self._measure_slowly(process)
        return True

    def _measure_slowly(self, process: _Process) -> None:
        with contextlib.suppress(OSError):
            process.files = os.stat(f"/proc/{process.name}/fd").st_size or len(os.listdir(f"/proc/{process.name}/fd"))
        with contextlib.suppress(OSError, ValueError, IndexError):
            told = _read(f"{process.name}/io").split()
            process.read, process.written = int(told[9]), int(told[11])

    def own_memory(self, instance: str) -> int | None:
        """The sum of the proportional set sizes of its processes; None where this user may not see them."""
        total = None
        for process in self._processes.values():
            if process.instance == instance:
                with contextlib.suppress(OSError, IndexError, ValueError):
                    told = _read(f"{process.name}/smaps_rollup").partition(b"\nPss:")[2]
                    total = (total or 0) + int(told.split(None, 1)[0]) * 1024
        return total

    def machine(self) -> Machine:
        """From /proc/stat and /proc/meminfo, within the limits of our control group."""
        ticks = [int(it) for it in _read("stat").partition(b"\n")[0].split()[1:9]]
        told = dict(line.split(b":", 1) for line in _read("meminfo", 4096).splitlines() if b":" in line)
        total, available = (int(told[name].split()[0]) * 1024 for name in (b"MemTotal", b"MemAvailable"))
        limit = memory_limit_bytes()
        busy_seconds = (sum(ticks) - ticks[3] - ticks[4]) * _TICK_SECONDS
        return Machine(cores(), busy_seconds, min(total, limit or total), min(available, limit or available))


def _shown(one: list[int], unknown: set[int] | tuple[()]) -> Figures:
    known = [None if place in unknown else figure for place, figure in enumerate(one)]
    return Figures(one[0] * _TICK_SECONDS, one[1], one[2], one[3], known[4], known[5], known[6])


def _read(path: str, size: int = 1024) -> bytes:
    file = os.open(f"/proc/{path}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, size)
    finally:
        os.close(file)


def _stat(name: str) -> list[bytes]:
    """The fields of /proc/PID/stat from the third, the state, on; none where there is no such process."""
    try:
        stat = _read(f"{name}/stat")
    except OSError:
        return []
    return stat[stat.rindex(b")") + 2 :].split(b" ", 5)

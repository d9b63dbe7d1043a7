"""Processes on Linux: pidfds, /proc, and orphans that come to us."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import contextlib
import ctypes
import fcntl
import os
import signal as signals
import struct
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from nexus.platforms.posix_system import Process

_PR_SET_CHILD_SUBREAPER = 36
_PIDFD_INFO = struct.Struct("=QQ11Ii")  # struct pidfd_info of linux/pidfd.h, its first 64 bytes
_PIDFD_GET_INFO = 0xC000FF0B | _PIDFD_INFO.size << 16
_PIDFD_INFO_EXIT = 1 << 3


class LinuxSystem:
    """Linux 5.4 and later; see `System`."""

    second = os.sysconf("SC_CLK_TCK")

    def __init__(self) -> None:
        """Raises RuntimeError on a kernel that can't do what we need."""
        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError as error:
            raise RuntimeError(f"this kernel has no pidfds ({error}); Linux 5.4 or later is needed") from error

    def watch(self, pid: int) -> int:
        """A pidfd."""
        return os.pidfd_open(pid)

    def unwatch(self, handle: int) -> None:
        """Close a pidfd."""
        os.close(handle)

    def status(self, pid: int, handle: int) -> int | None:
        """A zombie shows it in the process table; once it is reaped, its pidfd does (Linux 6.15 and later)."""
        buffer = bytearray(_PIDFD_INFO.size)
        struct.pack_into("=Q", buffer, 0, _PIDFD_INFO_EXIT)
        with contextlib.suppress(OSError):
            fcntl.ioctl(handle, _PIDFD_GET_INFO, buffer)
            fields = _PIDFD_INFO.unpack(buffer)
            if fields[0] & _PIDFD_INFO_EXIT:
                return int(fields[-1])
        with contextlib.suppress(OSError):
            stat = _stat(pid)
            return int(stat[49]) if stat[0] == b"Z" else None
        return None

    def look(self, pid: int) -> Process | None:
        """From /proc/PID/stat; `created` counts clock ticks since boot."""
        try:
            fields = _stat(pid)
        except OSError:
            return None
        return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), fields[0] in (b"Z", b"X"))

    def processes(self) -> Iterator[Process]:
        """Everything in /proc."""
        for name in os.listdir("/proc"):
            if name.isdigit() and (process := self.look(int(name))) is not None:
                yield process

    def environment(self, pid: int) -> Sequence[bytes]:
        """From /proc/PID/environ: processes may overwrite it, and it is empty while one becomes another program."""
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return file.read().split(b"\0")
        except OSError:
            return []

    def has_open(self, pid: int, descriptor: int, path: Path) -> bool:
        """From /proc/PID/fd."""
        try:
            return os.readlink(f"/proc/{pid}/fd/{descriptor}") == str(path)
        except OSError:
            return False

    def send(self, targets: Collection[Process], number: int) -> set[Process]:
        """Pidfds on all of them first, then the signal: a killed parent must not hide its children."""
        handles: dict[Process, int] = {}
        reached: set[Process] = set()
        try:
            for process in targets:
                if (handle := self._grip(process)) is not None:
                    handles[process] = handle
            for process, handle in handles.items():
                with contextlib.suppress(OSError):  # gone meanwhile, or not ours to signal
                    signals.pidfd_send_signal(handle, number)
                    reached.add(process)
        finally:
            for handle in handles.values():
                os.close(handle)
        return reached

    def _grip(self, process: Process) -> int | None:
        """A pidfd, opened first and looked at second: the pid may have passed to a stranger in between."""
        try:
            handle = os.pidfd_open(process.pid)
        except OSError:
            return None
        now = self.look(process.pid)
        if now is not None and now.created == process.created:
            return handle
        os.close(handle)
        return None

    def gather_orphans(self) -> bool:
        """By becoming a subreaper."""
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return os.path.exists(_children_file())

    def children(self) -> set[int]:
        """Those of the main thread, to which orphans come."""
        try:
            with open(_children_file(), "rb") as file:
                return {int(pid) for pid in file.read().split()}
        except FileNotFoundError:
            return set()


def _stat(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat from the third, the state, on."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def _children_file() -> str:
    return f"/proc/self/task/{os.getpid()}/children"

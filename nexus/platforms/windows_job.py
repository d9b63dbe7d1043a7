"""Job objects: groups of processes that Windows ends together."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from ctypes import wintypes

_EXTENDED_LIMIT_INFORMATION = 9
_KILL_ON_JOB_CLOSE = 0x2000
_BREAKAWAY_OK = 0x800


class _Basic(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION of winnt.h."""

    _fields_ = (
        ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
        ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
        ("LimitFlags", wintypes.DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", wintypes.DWORD),
        ("SchedulingClass", wintypes.DWORD),
    )


class _Extended(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION of winnt.h."""

    _fields_ = (
        ("BasicLimitInformation", _Basic),
        ("IoInfo", ctypes.c_ulonglong * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.CreateJobObjectW.restype = wintypes.HANDLE
_kernel.CreateJobObjectW.argtypes = (wintypes.LPVOID, wintypes.LPCWSTR)
_kernel.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD)
_kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
_kernel.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)


class Job:
    """A job object of our own; every method raises OSError."""

    def __init__(self, *, kill_on_close: bool) -> None:
        self._handle = _kernel.CreateJobObjectW(None, None)
        if not self._handle:
            raise ctypes.WinError(ctypes.get_last_error())
        self._limit(_KILL_ON_JOB_CLOSE if kill_on_close else 0)

    def assign(self, process: int) -> None:
        """Take a process, by its handle, and all that it will start."""
        self._check(_kernel.AssignProcessToJobObject(self._handle, process))

    def let_live(self) -> None:
        """From now on its processes outlive us."""
        self._limit(0)

    def terminate(self) -> None:
        """End everything in it."""
        self._check(_kernel.TerminateJobObject(self._handle, 1))

    def _limit(self, flags: int) -> None:
        information = _Extended()
        information.BasicLimitInformation.LimitFlags = flags | _BREAKAWAY_OK
        size = ctypes.sizeof(information)
        self._check(
            _kernel.SetInformationJobObject(
                self._handle, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(information), size
            )
        )  # fmt: skip

    def _check(self, worked: int) -> None:
        if not worked:
            raise ctypes.WinError(ctypes.get_last_error())

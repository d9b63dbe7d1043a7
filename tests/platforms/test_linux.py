"""What Linux tells about processes that are nobody's children here."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nexus.platforms.linux import LinuxSystem
from tests.waiting import until

SYSTEM = LinuxSystem()


@contextmanager
def grandchild(script: str) -> Iterator[int]:
    """The wait status of a process that says its pid and ends when it reads a line."""
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        try:
            pid = int(parent.stdout.readline())
            handle = SYSTEM.watch(pid)
            parent.stdin.write("go\n")
            parent.stdin.flush()
            assert select.select([handle], [], [], 10)[0]
            yield until(lambda: SYSTEM.status(pid, handle)) or 0
            SYSTEM.unwatch(handle)
        finally:
            parent.kill()


def test_the_exit_code_of_what_its_parent_has_reaped_is_known() -> None:
    """A pidfd keeps it, on Linux 6.15 and later; before that, nobody knows."""
    if tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 15):
        return
    script = "exec 3<&0; sh -c 'echo $$; read line <&3; exit 5' & wait; exec sleep 1000"
    with grandchild(script) as status:
        assert os.waitstatus_to_exitcode(status) == 5


def test_the_end_of_what_nobody_has_reaped_is_known() -> None:
    """A zombie shows its status in the process table."""
    script = "exec 3<&0; sh -c 'echo $$; read line <&3; kill -TERM $$' & exec sleep 1000"
    with grandchild(script) as status:
        assert os.waitstatus_to_exitcode(status) == -15


def test_nothing_is_known_of_what_never_was() -> None:
    """No process has that pid."""
    assert SYSTEM.look(2**22 + 1) is None
    assert SYSTEM.environment(2**22 + 1) == []
    assert not SYSTEM.has_open(2**22 + 1, 4, Path("/"))

"""Orphans on Linux: whose they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from nexus.platforms.linux_meter import LinuxMeter
from tests.waiting import until

ORPHAN = """
import os
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    os.execvp("sleep", ["sleep", "1000"])
"""


def orphan(run_file: Path) -> int:
    """A process in a session of its own whose parent has ended, marked as one of `web.1` of some home."""
    environment = {**os.environ, "NEXUS_INSTANCE": "web.1", "NEXUS_RUN_FILE": str(run_file)}
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], env=environment, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.stdout.close()
    parent.wait()
    return pid


def test_orphans_count_for_the_home_that_they_are_marked_with(tmp_path: Path) -> None:
    """Another supervisor may have an instance of the same name; its orphans are not ours."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    root = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    pids = [orphan(ours / "runs" / "7"), orphan(theirs / "runs" / "7")]
    try:
        until(lambda: all(parent_of(pid) in (1, os.getpid()) for pid in pids), what="orphans")
        found = LinuxMeter(ours).look({"web.1": root.pid})["web.1"]
        assert found.processes == 2
    finally:
        for pid in (root.pid, *pids):
            os.kill(pid, signal.SIGKILL)
        root.wait()


def parent_of(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[1])

"""Programs that outlive the terminal and the process that started them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nexus.platforms.detach import created, ended, is_alive, start_detached
from tests.waiting import until


def test_a_detached_program_leads_a_session_and_writes_to_its_file(tmp_path: Path) -> None:
    """No terminal takes it along, and what it says is kept."""
    script = "import os, sys; print(os.getsid(0) == os.getpid(), os.environ.get('NEXUS_RUN_FILE')); sys.exit(3)"
    environment = {**os.environ, "NEXUS_RUN_FILE": "/of/somebody/else"}
    output = tmp_path / "new" / "log"
    pid = start_detached([sys.executable, "-c", script], output, environment)
    assert until(lambda: ended(pid)) == 3
    assert output.read_text() == "True None\n"


def test_output_is_added_to_what_was_there(tmp_path: Path) -> None:
    """The story of the last time is not overwritten."""
    output = tmp_path / "log"
    output.write_text("before\n")
    pid = start_detached(["echo", "after"], output)
    until(lambda: ended(pid) is not None)
    assert output.read_text() == "before\nafter\n"


def test_alive_means_the_same_process_life(tmp_path: Path) -> None:
    """A pid alone says little: with the moment it was made, it names one life."""
    made = created(os.getpid())
    assert made is not None
    assert is_alive(os.getpid())
    assert is_alive(os.getpid(), made)
    assert not is_alive(os.getpid(), made + 1)
    pid = start_detached(["true"], tmp_path / "log")
    until(lambda: ended(pid) is not None)
    assert not is_alive(pid)


def test_what_we_did_not_start_has_no_known_end() -> None:
    """Only our own children are asked."""
    assert ended(1) is None

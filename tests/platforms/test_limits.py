"""Limits of real processes."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from events.catalog import Limits
from nexus.platforms.current import make_limiter
from nexus.platforms.portable_limits import PortableLimiter
from tests.waiting import until


@pytest.fixture
def family() -> Iterator[psutil.Process]:
    """A process with a child."""
    started = subprocess.Popen(["sh", "-c", "sleep 1000 & wait"])
    process = psutil.Process(started.pid)
    until(process.children, what="its child")
    yield process
    for one in [*process.children(recursive=True), process]:
        one.kill()
    started.wait()


def test_the_whole_tree_is_limited_and_freed_again(family: psutil.Process) -> None:
    """Priority, disk, processors, open files and processes; taken back as far as the system allows."""
    cpu = min(os.sched_getaffinity(0))
    limiter = make_limiter()
    applied, refused = limiter.apply(family.pid, Limits("low", (cpu,), 64, 500))
    assert refused == ()
    assert applied == (
        "nice 10", "disk priority 7", f"processors {cpu}", "open files 64", "processes of its user 500",
    )  # fmt: skip
    for process in (family, *family.children()):
        assert (process.nice(), process.cpu_affinity(), process.ionice().value) == (10, [cpu], 7)
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (64, 64)
        assert resource.prlimit(process.pid, resource.RLIMIT_NPROC) == (500, 500)
    limiter.apply(family.pid, Limits())
    assert set(family.cpu_affinity()) == os.sched_getaffinity(0)


def test_what_is_refused_keeps_nothing_else_from_being_set(family: psutil.Process) -> None:
    """A processor that does not exist is named, and the rest is set."""
    applied, refused = make_limiter().apply(family.pid, Limits("low", (8000,)))
    assert [it.option for it in refused] == ["processors 8000"]
    assert refused[0].reason == "invalid argument"
    assert family.nice() == 10
    assert "nice 10" in applied


def test_what_ended_needs_no_limit() -> None:
    """Nothing is wrong with that."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert make_limiter().apply(ended.pid, Limits("low"))[1] == ()
    assert PortableLimiter().apply(ended.pid, Limits("low")) == ((), ())


def test_other_systems_say_what_they_can_not_do(family: psutil.Process) -> None:
    """Through psutil: priority and processors."""
    cpu = min(os.sched_getaffinity(0))
    applied, refused = PortableLimiter().apply(family.pid, Limits("low", (cpu,), 64))
    assert applied == ("priority low", f"processors [{cpu}]")
    assert [it.option for it in refused] == ["open files 64"]
    assert family.nice() == 10
    applied, refused = PortableLimiter().apply(family.pid, Limits("low", (8000,)))
    assert [it.option for it in refused] == ["processors [8000]"]

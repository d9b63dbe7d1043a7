"""What nexus.toml says about the use of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.catalog import Limits, MemoryMax, Service
from nexus.config.errors import ConfigurationError
from nexus.config.files import load


def web(folder: Path, text: str) -> Service:
    """The service that this declares."""
    path = folder / "nexus.toml"
    path.write_text(f'[services.web]\ncommand = "true"\n{text}\n')
    return load(path).declared["web"]


def test_limits_are_read(tmp_path: Path) -> None:
    """All of them, in both forms of memory_max."""
    text = 'priority = "low"\ncpus = [1, 0, 1]\nlimits = { open_files = 64, processes = 9 }\nmemory_max = "512MiB"'
    assert web(tmp_path, text).limits == Limits("low", (0, 1), 64, 9)
    assert web(tmp_path, text).memory == MemoryMax(512 << 20)
    assert web(tmp_path, 'memory_max = { size = 1000, then = "alert" }').memory == MemoryMax(1000, "alert")
    assert (web(tmp_path, "").limits, web(tmp_path, "").memory) == (Limits(), None)
    assert web(tmp_path, "limits = { open_files = 3 }").limits == Limits(open_files=3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('priority = "urgent"', "priority"),
        ("cpus = []", "cpus"),
        ('cpus = "all"', "cpus"),
        ("cpus = [0, -1]", "cpus"),
        ("cpus = [true]", "cpus"),
        ("limits = { open_files = 0 }", "open_files"),
        ("limits = { files = 1 }", "files"),
        ('memory_max = "much"', "memory_max"),
        ('memory_max = { then = "alert" }', "memory_max"),
        ('memory_max = { size = "1MiB", then = "cry" }', "then"),
    ],
)
def test_what_can_not_be_meant_is_named(tmp_path: Path, text: str, told: str) -> None:
    """One clear error with file, line and key."""
    with pytest.raises(ConfigurationError) as error:
        web(tmp_path, text)
    assert told in str(error.value)
    assert "nexus.toml" in str(error.value)

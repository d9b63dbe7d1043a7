"""Control groups, as a machine or a container shows them."""

from __future__ import annotations

from pathlib import Path

from nexus.platforms import linux_cgroup


def test_limits_of_control_groups_of_both_versions(tmp_path: Path) -> None:
    """In a container the path is often the host's: then what is mounted is our own group."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old / "memory" / "here", new):
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").touch()
    (new / "cgroup.controllers").write_text("cpu memory")
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("4:memory:/here\n0::/\n")
    two.write_text("0::/docker/abc\n")
    assert linux_cgroup.group("memory", old, one) == old / "memory" / "here"
    assert linux_cgroup.group("memory", new, two) == new
    assert linux_cgroup.group("cpuset", new, two) is None

"""Network file systems are known as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.platforms.filesystems import Mount, network_file_system


def mounts(*more: tuple[str, str]) -> list[Mount]:
    """A local root, and more."""
    return [Mount("/", "ext4", "rw"), *(Mount(place, kind, "rw") for place, kind in more)]


def test_this_place_is_local(tmp_path: Path) -> None:
    """As far as the machine that runs the tests tells; a path that is not there yet counts as its parent."""
    assert network_file_system(tmp_path / "not" / "there" / "yet") is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smbfs", "fuse.sshfs", "fuse.s3fs", "lustre"])
def test_network_file_systems_are_named(kind: str) -> None:
    """By the name that the mount has."""
    assert network_file_system(Path("/net/a/b"), mounts(("/net", kind))) == kind


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "fuse.mergerfs", "virtiofs"])
def test_local_ones_are_not(kind: str) -> None:
    """Whatever else is mounted."""
    assert network_file_system(Path("/net/a"), mounts(("/net", kind), ("/network", "nfs"))) is None


def test_the_deepest_and_latest_mount_counts() -> None:
    """A local disk inside a network file system is local, and what is mounted over another one hides it."""
    inside = mounts(("/net", "nfs"), ("/net/disk", "ext4"))
    assert network_file_system(Path("/net/disk/a"), inside) is None
    assert network_file_system(Path("/net/other"), inside) == "nfs"
    over = mounts(("/net", "ext4"), ("/net", "nfs"))
    assert network_file_system(Path("/net/a"), over) == "nfs"


def test_drives_of_other_machines_are_known() -> None:
    """Windows says so in the drive's options."""
    assert network_file_system(Path("/"), [Mount("/", "NTFS", "rw,remote")]) == "NTFS"
    assert network_file_system(Path("/"), []) is None

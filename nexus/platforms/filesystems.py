"""Which file system a path is on: the event log needs locks and shared memory that network ones do not keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

NETWORK = frozenset(
    ["nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "afs", "ncpfs", "ceph",
     "glusterfs", "lustre", "beegfs", "gpfs", "orangefs", "ocfs2", "gfs2"]
)  # fmt: skip
NETWORK_FUSE = ("sshfs", "glusterfs", "ceph", "davfs", "s3fs", "rclone", "gcsfuse", "smbnetfs", "curlftpfs", "goofys")


class Mount(NamedTuple):
    """Where a file system is mounted, of what kind it is, and how."""

    place: str
    kind: str
    options: str


def mounted() -> list[Mount]:
    """What is mounted now, in the order in which it was."""
    return [Mount(part.mountpoint, part.fstype, part.opts) for part in psutil.disk_partitions(all=True)]


def network_file_system(path: Path, mounts: Sequence[Mount] | None = None) -> str | None:
    """The kind of network file system that `path` is on, or will be on once it exists; None for a local one."""
    real = path.resolve()
    places = [mount for mount in (mounted() if mounts is None else mounts) if _holds(mount.place, real)]
    if not places:
        return None
    # The last of equals counts: it was mounted over the others.
    _, holder = max(enumerate(places), key=lambda item: (len(item[1].place), item[0]))
    kind = holder.kind.lower()
    fuse = kind.removeprefix("fuse.").startswith(NETWORK_FUSE)
    remote = "remote" in holder.options.split(",")
    return holder.kind or "network drive" if kind in NETWORK or fuse or remote else None


def _holds(place: str, path: Path) -> bool:
    return path == Path(place) or Path(place) in path.parents

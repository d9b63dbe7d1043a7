"""Which file system a path is on: the event log needs locks and shared memory that network ones do not keep."""

from __future__ import annotations

from pathlib import Path

import psutil

NETWORK = frozenset(
    ["nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "afs", "ncpfs", "ceph",
     "glusterfs", "lustre", "beegfs", "gpfs", "orangefs", "ocfs2", "gfs2"]
)  # fmt: skip
NETWORK_FUSE = ("sshfs", "glusterfs", "ceph", "davfs", "s3fs", "rclone", "gcsfuse", "smbnetfs", "curlftpfs", "goofys")


def network_file_system(path: Path) -> str | None:
    """The kind of network file system that `path` is on, or will be on once it exists; None for a local one."""
    real = path.resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if _holds(part.mountpoint, real)]
    if not mounts:
        return None
    # The last of equals counts: it was mounted over the others.
    holder = max(enumerate(mounts), key=lambda item: (len(item[1].mountpoint), item[0]))[1]
    kind = holder.fstype.lower()
    remote = "remote" in holder.opts.split(",")
    fuse = kind.removeprefix("fuse.").startswith(NETWORK_FUSE)
    return (holder.fstype or "network drive") if kind in NETWORK or fuse or remote else None


def _holds(mountpoint: str, path: Path) -> bool:
    return path == Path(mountpoint) or Path(mountpoint) in path.parents

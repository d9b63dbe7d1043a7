"""The documents of services, kept beside the log under their digests."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec

from nexus.registry.grammar import Json

FOLDER = "documents"
BYTES_MAX = 200_000_000
"""Of all documents together; beyond it, those that were read or written longest ago go."""


def digest_of(raw: bytes) -> str:
    """The name of a document: what it is a digest of is exactly what the service served."""
    return hashlib.sha256(raw).hexdigest()


def keep(home: Path, digest: str, document: bytes) -> None:
    """Keep a document; it is never half written, and only its owner can read it."""
    folder = home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    draft = folder / f"{digest}.{os.getpid()}"
    draft.write_bytes(document)
    draft.replace(path_of(home, digest))
    _tidy(folder)


def path_of(home: Path, digest: str) -> Path:
    """Where a document is kept."""
    return home / FOLDER / f"{digest}.json"


def kept(home: Path, digest: str) -> Json | None:
    """A document, None where it is not kept any more."""
    path = path_of(home, digest)
    with contextlib.suppress(OSError, ValueError):
        found: Json = msgspec.json.decode(path.read_bytes(), type=dict)
        return found
    return None


def _tidy(folder: Path) -> None:
    found = sorted(((it.stat().st_mtime_ns, it.stat().st_size, it) for it in folder.glob("*.json")), reverse=True)
    size = 0
    for _, bytes_, path in found:
        size += bytes_
        if size > BYTES_MAX:
            path.unlink(missing_ok=True)

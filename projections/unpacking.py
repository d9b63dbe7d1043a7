"""Opening a bundle that somebody else made: nothing of it is believed before it was checked."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path

import msgspec

from events.errors import LogError
from events.schema import migrate
from events.verify import verify
from projections.bundles import FORMAT, MANIFEST, Manifest, Packed
from projections.history import History

NAMES = re.compile(r"events-\d{6,9}\.db|events\.head|logs/[\w.-]{1,128}\.log", re.ASCII)
FILES_MAX = 2_000
MANIFEST_BYTES_MAX = 1 << 20
SMALL_BYTES = 64 << 20
RATIO_MAX = 100
"""A bundle may be this many times its own size, or small: more is no bundle, but an attempt to fill a disk."""

PART_BYTES = 1 << 20
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What zipfile says of a file that is none, or half of one."""


SCHEMA_SQL = "SELECT type, name, sql FROM sqlite_master WHERE tbl_name <> '_sqlite_migrations'"


class BundleError(Exception):
    """A bundle that can't be used: what was expected, and what was found."""

    def __init__(self, path: Path, expected: str, found: str) -> None:
        super().__init__(f"{path} can't be used as a bundle")
        self.expected, self.found = expected, found


def unpack(path: Path, home: Path) -> Manifest:
    """Unpack a bundle into an empty folder and check it; returns what was packed. Raises BundleError."""
    try:
        with zipfile.ZipFile(path) as bundle:
            manifest = _manifest(path, bundle)
            _check_names(path, bundle, manifest)
            for name, packed in manifest.files.items():
                _extract(path, bundle, home, name, packed)
    except DAMAGE as error:
        raise BundleError(path, "a zip file that `nexus bundle` made", f"what can't be unpacked: {error}") from error
    _check_chain(path, home, manifest)
    return manifest


def _manifest(path: Path, bundle: zipfile.ZipFile) -> Manifest:
    try:
        with bundle.open(MANIFEST) as file:
            content = file.read(MANIFEST_BYTES_MAX + 1)
    except KeyError as error:
        raise BundleError(path, "a zip file that `nexus bundle` made", f"one without {MANIFEST}") from error
    if len(content) > MANIFEST_BYTES_MAX:
        raise BundleError(path, f"{MANIFEST} with at most {MANIFEST_BYTES_MAX} bytes", "more")
    try:
        version = msgspec.json.decode(content, type=_Version)
        if version.format <= FORMAT:
            return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise BundleError(path, f"{MANIFEST} as `nexus bundle` writes it", str(error)) from error
    raise BundleError(path, f"format {FORMAT}, which this Nexus knows", f"format {version.format}: upgrade Nexus")


class _Version(msgspec.Struct):
    format: int


def _check_names(path: Path, bundle: zipfile.ZipFile, manifest: Manifest) -> None:
    """Exactly the files that were packed, each with a name that can't lead anywhere else."""
    names = bundle.namelist()
    wrong = next((it for it in (*names, *manifest.files) if it != MANIFEST and not NAMES.fullmatch(it)), None)
    if wrong is not None:
        raise BundleError(path, "the files of a bundle and no others", f"one named {wrong[:100]!r}")
    if len(names) > FILES_MAX:
        raise BundleError(path, f"at most {FILES_MAX} files", f"{len(names)}")
    if sorted(names) != sorted([MANIFEST, *manifest.files]):
        raise BundleError(path, f"the files that {MANIFEST} names, once each", ", ".join(sorted(names))[:200])
    total = sum(it.bytes for it in manifest.files.values())
    if total > max(SMALL_BYTES, RATIO_MAX * path.stat().st_size):
        raise BundleError(path, f"at most {RATIO_MAX} times its own size when it is unpacked", f"{total} bytes")


def _extract(path: Path, bundle: zipfile.ZipFile, home: Path, name: str, packed: Packed) -> None:
    """One file, as long as it was packed and not a byte longer."""
    target = home / name
    target.parent.mkdir(exist_ok=True)
    digest, left = hashlib.sha256(), packed.bytes
    with bundle.open(name) as file, target.open("wb") as to:
        while part := file.read(PART_BYTES):
            left -= len(part)
            if left < 0:
                break
            digest.update(part)
            to.write(part)
    if left or digest.hexdigest() != packed.sha256:
        raise BundleError(path, f"{name} as it was packed", "one that was changed since")


def _check_chain(path: Path, home: Path, manifest: Manifest) -> None:
    """The events vouch for each other, up to the head that was packed; what was wrong then may be wrong now."""
    expected = "the events that were recorded"
    try:
        for name in manifest.files:
            if name.endswith(".db"):
                _check_schema(path, home / name)
        found = verify(home)
        new = [problem for problem in found.problems if problem not in manifest.problems]
        if new:
            raise BundleError(path, expected, new[0])
        history = History(home)
        with history.reader:
            history.at(manifest.first)
    except (sqlite3.Error, LogError, msgspec.DecodeError, TypeError) as error:
        raise BundleError(path, expected, f"what is no history: {error}") from error
    if (found.head.seq, found.head.hash.hex()) != (manifest.last, manifest.head):
        raise BundleError(path, f"event {manifest.last} as the last one, as {MANIFEST} says", f"event {found.head.seq}")


def _check_schema(path: Path, file: Path) -> None:
    """The tables of a log and nothing else: a view in the place of a table could answer with anything, or never."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as ours:
        migrate(ours)
        known = {*ours.execute(SCHEMA_SQL)}
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as theirs:
        strange = [row for row in theirs.execute(SCHEMA_SQL) if row not in known]
    if strange:
        raise BundleError(path, "the tables of a log and no others", f"{strange[0][0]} {strange[0][1]}"[:100])

"""Bundles: an interval with all that is needed to read it, and no way to change it unnoticed."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.catalog import LogOpened
from events.verify import verify
from projections import unpacking
from projections.bundles import LOG_BYTES_MAX, MANIFEST, Manifest, Wanted, pack
from projections.history import History
from projections.state import State, encode
from projections.unpacking import BundleError, unpack
from tests.cli.homes import FIRST_TRY, LAST, record
from tests.http.story import Story

Files = dict[str, bytes]


def packed(home: Path, to: Path, first: int, last: int, **more: Any) -> Manifest:
    """A bundle in a file."""
    with to.open("wb") as file:
        return pack(History(home), Wanted(first, last, "2026-03-01T15:00:00Z", "1.0", **more), file)


def known(state: State, last: int) -> bytes:
    """What is known, to compare."""
    assert state.seq == last
    return encode(state)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the incident, and what its database wrote."""
    home = record(tmp_path_factory.mktemp("home"))
    (home / "logs").mkdir()
    (home / "logs" / "database.1.log").write_text("ready\npassword is hunter2\n")
    (home / "logs" / "stranger.1.log").write_text("not concerned\n")
    return home


@pytest.fixture(scope="module")
def bundle(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the middle of it."""
    path = tmp_path_factory.mktemp("bundle") / "incident.zip"
    packed(home, path, FIRST_TRY, 38, mask=lambda text: text.replace("hunter2", "•••"))
    return path


def test_a_bundle_holds_the_interval_and_what_was_known_before(home: Path, bundle: Path, tmp_path: Path) -> None:
    """Every event as it was recorded, every moment as it was known, whole by itself."""
    manifest = unpack(bundle, tmp_path)
    here, there = History(home), History(tmp_path)
    assert (manifest.first, manifest.last, manifest.events, manifest.problems) == (19, 38, 20, [])
    assert list(there.reader.rows(18)) == list(here.reader.rows(18, 38))
    for seq in range(19, 39):
        assert known(there.at(seq), seq) == known(here.at(seq), seq)
    found = verify(tmp_path)
    stored = here.reader.get(38)
    assert stored is not None
    assert (found.problems, found.events, found.head.hash) == ((), 20, stored.hash)


def test_what_services_wrote_is_masked_and_only_theirs(bundle: Path, tmp_path: Path) -> None:
    """The services that the interval is about."""
    unpack(bundle, tmp_path)
    assert [it.name for it in (tmp_path / "logs").iterdir()] == ["database.1.log"]
    assert (tmp_path / "logs" / "database.1.log").read_text("utf-8") == "ready\npassword is •••\n"


def test_without_a_mask_there_are_no_logs(home: Path, tmp_path: Path) -> None:
    """And it is said why."""
    manifest = packed(home, tmp_path / "b.zip", 1, LAST, note="no secrets are known")
    assert sorted(manifest.files) == ["events-000001.db", "events.head"]
    assert manifest.notes == ["no secrets are known"]


def test_only_the_end_of_a_long_log_is_packed(tmp_path: Path) -> None:
    """From the beginning of a line on."""
    home = record(tmp_path / "home")
    (home / "logs").mkdir()
    (home / "logs" / "database.1.log").write_text("".join(f"line {number:06}\n" for number in range(40_000)))
    packed(home, tmp_path / "b.zip", 1, LAST, mask=str)
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        lines = bundle.read("logs/database.1.log").decode().splitlines()
    assert lines[-1] == "line 039999"
    assert LOG_BYTES_MAX - 12 <= 12 * len(lines) <= LOG_BYTES_MAX
    assert len(lines[0]) == len("line 000000")


@pytest.mark.parametrize(("first", "last"), [(1, LAST), (1, 1), (LAST, LAST), (2, 30), (33, 33)])
def test_any_interval_can_be_packed(home: Path, tmp_path: Path, first: int, last: int) -> None:
    """It begins with a turn that leans on nothing hidden, and can be packed again."""
    manifest = packed(home, tmp_path / "b.zip", first, last)
    assert manifest.first <= first <= manifest.last == last
    (tmp_path / "one").mkdir()
    assert unpack(tmp_path / "b.zip", tmp_path / "one") == manifest
    here = History(home).reader
    hidden = manifest.first - 1
    assert not [it for it in here.caused_by(hidden) if it.seq <= last] or hidden == 0
    again = packed(tmp_path / "one", tmp_path / "c.zip", manifest.first, last)
    (tmp_path / "two").mkdir()
    assert unpack(tmp_path / "c.zip", tmp_path / "two") == again
    assert (again.first, again.head) == (manifest.first, manifest.head)


def test_an_interval_over_several_files(tmp_path: Path) -> None:
    """The books that were closed meanwhile stay closed; streams are counted on over all of them."""
    story = Story(tmp_path / "home").begin()
    for instance in ("web.1", "database.1", "worker.1"):
        first = story.state.seq
        story.rotate()
        story.crash(instance)
    story.close()
    head = story.state.seq
    for begin in (1, 10, first, first + 1, first + 2, head):
        path, to = tmp_path / "b.zip", tmp_path / f"from-{begin}"
        manifest = packed(tmp_path / "home", path, begin, head)
        to.mkdir()
        assert unpack(path, to) == manifest
        assert known(History(to).at(), head) == known(History(tmp_path / "home").at(), head)


def test_an_interval_with_a_damage_in_it(tmp_path: Path) -> None:
    """What was lost before stays lost: it is told, and is no tampering."""
    home = record(tmp_path / "home")
    with sqlite3.connect(home / "events-000001.db") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM events WHERE seq BETWEEN 25 AND 27")
    connection.close()
    story = Story(home)
    story.log.close()
    head = History(home).reader.head.seq
    manifest = packed(home, tmp_path / "b.zip", 20, head)
    assert any("are missing" in problem for problem in manifest.problems)
    (tmp_path / "to").mkdir()
    assert unpack(tmp_path / "b.zip", tmp_path / "to") == manifest


# -- what somebody may do to a bundle --------------------------------------------------------------


def files_of(bundle: Path) -> Files:
    """What is in it."""
    with zipfile.ZipFile(bundle) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def written(path: Path, files: Files) -> Path:
    """A zip file of these."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return path


def consistent(files: Files) -> Files:
    """The same with a manifest that fits, as somebody would make who knows how."""
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
        if name != MANIFEST
    }
    return {**files, MANIFEST: json.dumps(manifest).encode()}


def with_sql(files: Files, folder: Path, sql: str) -> Files:
    """The same with changed events."""
    path = folder / "changed.db"
    path.write_bytes(files["events-000001.db"])
    with sqlite3.connect(path, isolation_level=None) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.executescript(sql)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return {**files, "events-000001.db": path.read_bytes()}


def with_manifest(files: Files, **changes: Any) -> Files:
    """The same with a changed manifest."""
    return {**files, MANIFEST: json.dumps({**json.loads(files[MANIFEST]), **changes}).encode()}


OTHER_PID = "UPDATE events SET data = replace(replace(data, '4012', '4013'), '4021', '4022')"
VIEW = """
ALTER TABLE events RENAME TO others;
CREATE VIEW events AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT others.* FROM others, c;
"""
CHANGES: dict[str, tuple[Callable[[Files, Path], Files], str]] = {
    "a log was changed": (lambda it, _: {**it, "logs/database.1.log": b"READY"}, "one that was changed since"),
    "an event was changed": (
        lambda it, to: with_sql(it, to, OTHER_PID),
        "one that was changed since",
    ),
    "an event was changed by somebody who knows how": (
        lambda it, to: consistent(with_sql(it, to, f"{OTHER_PID} WHERE seq = 21")),
        "event 21: it is not what was recorded",
    ),
    "what was known before was changed": (
        lambda it, to: consistent(with_sql(it, to, f"{OTHER_PID} WHERE seq = 18")),
        "event 18: what was known before is not what was packed",
    ),
    "the last events were cut off": (
        lambda it, to: consistent(with_sql(it, to, "DELETE FROM events WHERE seq > 30")), "the last 8 events are lost",
    ),
    "an event is missing": (
        lambda it, to: consistent(with_sql(it, to, "DELETE FROM events WHERE seq = 30")), "1 are missing",
    ),
    "the head is another": (lambda it, _: with_manifest(it, head="00" * 32), "event 38"),
    "its tables are others": (
        lambda it, to: consistent(with_sql(it, to, "DROP TABLE carried_streams")), "what is no history",
    ),
    "a view instead of its events": (
        lambda it, to: consistent(with_sql(it, to, VIEW)), "table others",
    ),
    "there is no database": (lambda it, _: consistent({**it, "events-000001.db": b"x" * 4096}), "what is no history"),
    "a file is missing": (
        lambda it, _: {name: content for name, content in it.items() if name != "events.head"}, "events-000001.db",
    ),
    "a file more": (lambda it, _: {**it, "logs/more.log": b""}, "logs/more.log"),
    "a file of another kind": (lambda it, _: consistent({**it, "snapshots/x.json": b""}), "'snapshots/x.json'"),
    "a name that leads out": (lambda it, _: consistent({**it, "logs/../../x.log": b""}), "'logs/../../x.log'"),
    "an absolute name": (lambda it, _: consistent({**it, "/tmp/x.log": b""}), "'/tmp/x.log'"),
    "a folder": (lambda it, _: consistent({**it, "logs/": b""}), "'logs/'"),
    "no manifest": (lambda it, _: {"events.head": it["events.head"]}, f"one without {MANIFEST}"),
    "a manifest that is none": (lambda it, _: {**it, MANIFEST: b"[]"}, "object"),
    "a manifest without end": (lambda it, _: {**it, MANIFEST: b" " * (1 << 21)}, "more"),
    "a newer form": (lambda it, _: with_manifest(it, format=2), "format 2: upgrade Nexus"),
    "a bomb": (lambda it, _: consistent({**it, "logs/bomb.log": b"\0" * (65 << 20)}), "bytes"),
    "a bomb that lies": (lambda it, _: {**it, "logs/database.1.log": b"\0" * (8 << 20)}, "one that was changed since"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_done_to_a_bundle_is_told(bundle: Path, tmp_path: Path, change: str) -> None:
    """Each change is found, and nothing is written outside of the folder."""
    make, found = CHANGES[change]
    changed = written(tmp_path / "changed.zip", make(files_of(bundle), tmp_path))
    to = tmp_path / "deep" / "to"
    to.mkdir(parents=True)
    with pytest.raises(BundleError) as caught:
        unpack(changed, to)
    assert found in caught.value.found
    assert caught.value.expected
    assert sorted(it.name for it in tmp_path.rglob("x.log")) == []


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_half_a_bundle_is_told(bundle: Path, tmp_path: Path, part: float) -> None:
    """Wherever it was cut off."""
    content = bundle.read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(content[: int(part * len(content))])
    with pytest.raises(BundleError, match="can't be used as a bundle"):
        unpack(cut, tmp_path)


def test_flipped_bits_are_told(bundle: Path, tmp_path: Path) -> None:
    """Anywhere: it is the same bundle or none."""
    content = bytearray(bundle.read_bytes())
    manifest = msgspec.json.decode(files_of(bundle)[MANIFEST], type=Manifest)
    for place in range(7, len(content), len(content) // 20):
        path, to = tmp_path / "flipped.zip", tmp_path / f"to-{place}"
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        to.mkdir()
        with suppress(BundleError):
            assert unpack(path, to) == manifest
        shutil.rmtree(to)


def test_a_file_twice_is_told(bundle: Path, tmp_path: Path) -> None:
    """Whichever of them would have been read."""
    buffer = io.BytesIO(bundle.read_bytes())
    with zipfile.ZipFile(buffer, "a") as opened, pytest.warns(UserWarning, match="Duplicate name"):
        opened.writestr("events.head", b"")
    (tmp_path / "b.zip").write_bytes(buffer.getvalue())
    with pytest.raises(BundleError) as caught:
        unpack(tmp_path / "b.zip", tmp_path)
    assert "once each" in caught.value.expected


def test_too_many_files_are_told(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle has a few for each service."""
    monkeypatch.setattr(unpacking, "FILES_MAX", 3)
    with pytest.raises(BundleError) as caught:
        unpack(bundle, tmp_path)
    assert caught.value.found == "4"


def test_the_opening_says_what_it_is(bundle: Path, tmp_path: Path) -> None:
    """It stands in the place of the event before, and carries what was known."""
    unpack(bundle, tmp_path)
    opened = next(History(tmp_path).reader.rows(limit=1)).event
    assert isinstance(opened, LogOpened)
    assert (opened.reason, opened.previous_seq) == ("bundled", 18)

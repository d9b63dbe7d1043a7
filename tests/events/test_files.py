"""What lies beside the databases of a log."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from events import files
from events.files import HeadFile, OutsideHead


def head(seq: int) -> OutsideHead:
    """A head."""
    return OutsideHead("log", seq, 1_000 * seq, "ab" * 32)


def test_files_are_found_in_order(tmp_path: Path) -> None:
    """By their number, and nothing else is taken for one."""
    for name in ("events-000002.db", "events-000010.db", "events-000001.db-wal", "events-000003.db.new", "notes.db"):
        (tmp_path / name).touch()
    assert files.numbers(tmp_path) == [2, 10]
    assert files.path_of(tmp_path, 1_000_000).name == "events-1000000.db"
    assert files.number_of(files.path_of(tmp_path, 1_000_000)) == 1_000_000
    assert files.numbers(tmp_path / "nowhere") == []


def test_the_last_head_written_is_the_one_that_is_read(tmp_path: Path) -> None:
    """Written in turns, read as one."""
    file = HeadFile(tmp_path)
    for seq in range(1, 6):
        file.write(head(seq))
        assert files.read_head(tmp_path) == head(seq)
    file.close()
    assert (tmp_path / files.HEAD).stat().st_size == 2 * files.HEAD_BYTES


@pytest.mark.parametrize("line", [0, 1])
def test_a_write_that_was_cut_short_leaves_the_one_before(tmp_path: Path, line: int) -> None:
    """A power cut costs the last write at most."""
    file = HeadFile(tmp_path)
    for seq in (1, 2, 3):
        file.write(head(seq))
    file.close()
    content = bytearray((tmp_path / files.HEAD).read_bytes())
    content[line * files.HEAD_BYTES + 40 : (line + 1) * files.HEAD_BYTES] = bytes(files.HEAD_BYTES - 40)
    (tmp_path / files.HEAD).write_bytes(content)
    kept = files.read_head(tmp_path)
    assert kept is not None
    assert kept.seq >= 2


def test_a_file_without_a_head_is_an_error(tmp_path: Path) -> None:
    """An empty one too: something was there."""
    assert files.read_head(tmp_path) is None
    for content in (b"", b"\n\n", b"{}\n"):
        (tmp_path / files.HEAD).write_bytes(content)
        with pytest.raises(msgspec.DecodeError):
            files.read_head(tmp_path)


def test_ballast_is_real_room(tmp_path: Path) -> None:
    """It takes the blocks that it is meant to give back, and gives them back once."""
    files.make_ballast(tmp_path, 100_000)
    files.make_ballast(tmp_path, 100_000)
    assert (tmp_path / files.BALLAST).stat().st_blocks * 512 >= 100_000
    assert files.free_ballast(tmp_path) == 100_000
    assert files.free_ballast(tmp_path) == 0

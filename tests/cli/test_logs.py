"""Reading what services write, while they write it."""

from __future__ import annotations

from pathlib import Path

from nexus.cli.logs import BLOCK_BYTES, Tail


def test_the_last_lines_of_a_large_file(tmp_path: Path) -> None:
    """They are found from the end, block by block."""
    path = tmp_path / "web.1.log"
    lines = [f"line {number} {'x' * 100}" for number in range(2 * BLOCK_BYTES // 100)]
    path.write_text("\n".join(lines) + "\n")
    assert Tail(path, "web.1").last(3) == lines[-3:]
    assert Tail(path, "web.1").last(len(lines)) == lines
    assert Tail(path, "web.1").last(0) == []


def test_a_service_that_wrote_nothing(tmp_path: Path) -> None:
    """There is no file yet; it is read from its start once it is there."""
    tail = Tail(tmp_path / "web.1.log", "web.1")
    assert tail.last(5) == []
    assert list(tail.more()) == []
    tail.path.write_text("hello\n")
    assert list(tail.more()) == ["hello"]


def test_lines_come_once_they_are_complete(tmp_path: Path) -> None:
    """A line that is being written waits for its end; what is no UTF-8 is shown all the same."""
    tail = Tail(tmp_path / "web.1.log", "web.1")
    with tail.path.open("wb", buffering=0) as file:
        file.write(b"one\n")
        assert tail.last(5) == ["one"]
        file.write(b"tw")
        assert list(tail.more()) == []
        file.write(b"o\nthree \xff\n")
        assert list(tail.more()) == ["two", "three \ufffd"]


def test_a_file_that_was_cut_or_replaced(tmp_path: Path) -> None:
    """It is read from its start."""
    tail = Tail(tmp_path / "web.1.log", "web.1")
    tail.path.write_text("a long first line\n")
    assert tail.last(5) == ["a long first line"]
    tail.path.write_text("cut\n")
    assert list(tail.more()) == ["cut"]
    fresh = tmp_path / "fresh"
    fresh.write_text("replaced, and longer\n")
    fresh.replace(tail.path)
    assert list(tail.more()) == ["replaced, and longer"]

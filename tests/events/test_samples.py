"""Samples: what is kept comes back, whatever happens to the files, and what is not kept is told."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import samples
from events.catalog import Event, SamplesDropped, SamplesRetired, SamplesSealed
from events.sample_files import (
    HIGHEST,
    UNKNOWN,
    WIDTH,
    Layout,
    Row,
    SealDamagedError,
    frame,
    read_frames,
    read_rows,
    read_sealed,
    seal,
    tick_of,
)
from events.samples import FOLDER, Samples, hour_of, read, verify

NOON = 1_772_366_400_000_000
SECOND = 1_000_000
HOUR = 3600 * SECOND
ROW = (12, 51_200, 2, 9, 31, 0, 4)


def store(home: Path, keep_bytes: int = 1 << 30, keep_hours: float = 1000.0) -> Samples:
    """A store of a home."""
    return Samples(home, keep_bytes, keep_hours * 3600)


def filled(home: Path, hours: int, **limits: float) -> Samples:
    """A store with two ticks in each hour, none of them sealed yet."""
    found = store(home, **limits)  # type: ignore[arg-type]
    for hour in range(hours):
        for second in range(2):
            found.add(NOON + hour * HOUR + second * SECOND, {"web.1": (hour, *ROW[1:]), "db.1": ROW})
    return found


def sealed(found: Samples, at: int, known: tuple[str, ...] = ()) -> list[Event]:
    """What sealing reports."""
    return found.seal(at, known)


def test_what_is_kept_comes_back_before_and_after_sealing(tmp_path: Path) -> None:
    """The same rows, whether their hour is still written to or sealed."""
    found, problems = filled(tmp_path, 2), list[str]()
    wanted = [("web.1", NOON + hour * HOUR + second * SECOND, (hour, *ROW[1:])) for hour in (0, 1) for second in (0, 1)]
    assert list(read(tmp_path, ["web.1"], 0, NOON + 2 * HOUR, problems)) == wanted
    (event,) = sealed(found, NOON + HOUR)
    assert isinstance(event, SamplesSealed)
    assert (event.file, event.since, event.until) == (f"{hour_of(NOON)}.samples", NOON, NOON + SECOND)
    assert (event.ticks, event.instances, event.damaged_bytes) == (2, 2, 0)
    assert event.size_bytes == (tmp_path / FOLDER / event.file).stat().st_size
    assert sorted(path.suffix for path in (tmp_path / FOLDER).iterdir()) == [".samples", ".ticks"]
    assert list(read(tmp_path, ["web.1"], 0, NOON + 2 * HOUR, problems)) == wanted
    assert list(read(tmp_path, ["web.1"], NOON + SECOND, NOON + HOUR, problems)) == wanted[1:3]
    assert problems == []


def test_an_instance_may_come_and_go(tmp_path: Path) -> None:
    """It has rows for the moments that it was there, and no others."""
    found, problems = store(tmp_path), list[str]()
    found.add(NOON, {"web.1": ROW})
    found.add(NOON + SECOND, {"web.1": ROW, "db.1": ROW})
    found.add(NOON + 2 * SECOND, {"db.1": ROW})
    for _ in range(2):
        rows = list(read(tmp_path, ["web.1", "db.1"], 0, NOON + HOUR, problems))
        assert sorted((name, (at - NOON) // SECOND) for name, at, _ in rows) == [
            ("db.1", 1), ("db.1", 2), ("web.1", 0), ("web.1", 1),
        ]  # fmt: skip
        sealed(found, NOON + HOUR)


figure = st.integers(0, HIGHEST) | st.just(UNKNOWN) | st.integers(0, 100)
rows = st.tuples(figure, st.integers(0, HIGHEST), *[figure] * (WIDTH - 2))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5 * SECOND), st.dictionaries(st.sampled_from("abc"), rows)), max_size=20))
def test_any_figures_survive_sealing(given_ticks: list[tuple[int, dict[str, Row]]]) -> None:
    """Sealing loses nothing, whatever the figures and their gaps are."""
    layout, at, content = Layout(("a", "b", "c")), NOON, [frame(Layout(("a", "b", "c")))]
    for after, figures in given_ticks:
        at += after
        content.append(frame(tick_of(at, layout, figures)))
    hour = read_frames(b"".join(content))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "hour.samples")
        path.write_bytes(seal(hour))
        assert sorted(read_sealed(path)) == sorted(read_rows(hour, layout.instances))


def test_a_damaged_frame_costs_only_itself() -> None:
    """The ticks before and after it are still read, and the damage is counted."""
    layout = Layout(("web.1",))
    frames = [frame(layout), *(frame(tick_of(NOON + number, layout, {"web.1": ROW})) for number in range(3))]
    torn = bytearray(b"".join(frames))
    torn[len(frames[0]) + len(frames[1]) + 20] ^= 1
    hour = read_frames(bytes(torn))
    assert [at - NOON for _, at, _ in read_rows(hour, ["web.1"])] == [0, 2]
    assert hour.damaged_bytes == len(frames[2])
    assert read_frames(b"".join(frames)[:-5]).ticks == 2


def test_a_damaged_hour_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    """Reading goes on, verification tells, and nothing raises."""
    found = filled(tmp_path, 2)
    history = sealed(found, NOON + 2 * HOUR)
    first = tmp_path / FOLDER / f"{hour_of(NOON)}.samples"
    assert verify(tmp_path, history) == []
    content = bytearray(first.read_bytes())
    content[-1] ^= 255
    first.write_bytes(content)
    problems: list[str] = []
    assert len(list(read(tmp_path, ["db.1", "web.1"], 0, NOON + 2 * HOUR, problems))) == 4
    assert problems[0].startswith(f"{first.name}: the samples of db.1 are damaged")
    assert verify(tmp_path, history) == [f"samples/{first.name}: it is not what was sealed: its digest differs"]
    first.write_bytes(b"something else")
    with pytest.raises(SealDamagedError, match="table of contents"):
        list(read_sealed(first))
    first.unlink()
    assert verify(tmp_path, history) == [
        f"samples/{first.name}: it was sealed and can't be read: No such file or directory"
    ]


def test_the_oldest_hours_are_retired_and_not_missed(tmp_path: Path) -> None:
    """By age and by size; their digests tell that they once were there."""
    found = filled(tmp_path, 4, keep_hours=2.0)
    history = sealed(found, NOON + 4 * HOUR)
    retired = [it for it in history if isinstance(it, SamplesRetired)]
    assert [it.file for it in retired] == [f"{hour_of(NOON + HOUR)}.samples", f"{hour_of(NOON)}.samples"]
    assert retired[0].reason == "older than 2 hours"
    digests = {it.file: it.digest for it in history if isinstance(it, SamplesSealed)}
    assert all(digests[it.file] == it.digest for it in retired)
    assert verify(tmp_path, history) == []
    small = store(tmp_path, keep_bytes=1)
    left = [it for it in small.seal(NOON + 4 * HOUR, tuple(digests)) if isinstance(it, SamplesRetired)]
    assert [it.reason for it in left] == ["more than 1 bytes are kept"] * 2
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_seal_that_was_not_recorded_is_told_again(tmp_path: Path) -> None:
    """A supervisor that was killed between the file and the event leaves no hour unknown."""
    found = filled(tmp_path, 1)
    (first,) = sealed(found, NOON + HOUR)
    assert store(tmp_path).seal(NOON + HOUR, ()) == [first]
    assert isinstance(first, SamplesSealed)
    assert store(tmp_path).seal(NOON + HOUR, (first.file,)) == []


def test_what_can_not_be_kept_is_dropped_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room, or without a place: supervision goes on, and the stretch is named once it is over."""
    monkeypatch.setattr(samples, "ROOM_BYTES", 1 << 62)
    found = store(tmp_path)
    found.add(NOON, {"web.1": ROW})
    found.add(NOON + SECOND, {"web.1": ROW})
    assert found.take_problems() == []
    monkeypatch.setattr(samples, "ROOM_BYTES", 0)
    found.add(NOON + 2 * SECOND, {"web.1": ROW})
    (dropped,) = found.take_problems()
    assert isinstance(dropped, SamplesDropped)
    assert (dropped.since, dropped.until) == (NOON, NOON + 2 * SECOND)
    assert dropped.reason.startswith("less than ")
    assert found.take_problems() == []
    blocked = tmp_path / "other"
    blocked.write_text("a file where a folder ought to be")
    store(blocked).add(NOON, {"web.1": ROW})
    assert store(blocked).seal(NOON, ()) == []


def test_an_hour_that_can_not_be_sealed_is_told(tmp_path: Path) -> None:
    """It is tried again the next time, and nothing raises."""
    found = filled(tmp_path, 1)
    (tmp_path / FOLDER / f"{hour_of(NOON)}.samples").mkdir()
    (problem,) = found.seal(NOON + HOUR, ())
    assert isinstance(problem, SamplesDropped)
    assert problem.reason.startswith("an hour could not be sealed")

"""Durations, sizes, ranges and addresses."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.config.values import (
    SECONDS_MAX,
    UNIT_SECONDS,
    address_of,
    bytes_of,
    is_port,
    range_of,
    seconds_of,
    words_of,
)


@st.composite
def durations(draw: st.DrawFn) -> tuple[str, float]:
    """A duration as a person may write it, and its seconds."""
    units = [unit for unit in UNIT_SECONDS if draw(st.booleans())] or ["s"]
    numbers = [draw(st.integers(0, 99) | st.decimals(0, 99, places=2).map(float)) for _ in units]
    gap, between = draw(st.sampled_from(["", " "])), draw(st.sampled_from(["", " "]))
    text = between.join(f"{number}{gap}{unit}" for number, unit in zip(numbers, units, strict=True))
    return text, math.fsum(number * UNIT_SECONDS[unit] for number, unit in zip(numbers, units, strict=True))


@given(durations())
def test_a_duration_is_the_sum_of_its_parts(written: tuple[str, float]) -> None:
    """However it is spaced, `1h 30m` is 5400 seconds."""
    text, seconds = written
    assert seconds_of(text) == pytest.approx(seconds)


@given(st.integers(0, int(SECONDS_MAX)) | st.floats(0, SECONDS_MAX))
def test_a_number_is_a_duration_in_seconds(seconds: float) -> None:
    """5 means "5s"."""
    assert seconds_of(seconds) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("2m", 120), ("1h 30m", 5400), ("250ms", 0.25), ("1.5h", 5400), ("1d", 86_400)]
)
def test_a_duration_reads_as_written(text: str, seconds: float) -> None:
    """The forms that the reference shows."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "wrong",
    ["", "5", "s", "5 s 5 s", "1m 1h", "-5s", "5sec", "5s, 2m", "1e3s", "٥s", -1, True, math.nan, math.inf, [], None,
     "9999999d"],
)  # fmt: skip
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    """Nothing is guessed."""
    assert seconds_of(wrong) is None


@pytest.mark.parametrize(
    ("text", "size"),
    [("64MiB", 64 * 2**20), ("64MB", 64_000_000), ("1.5kB", 1500), ("1 GiB", 2**30), (4096, 4096), ("512B", 512)],
)
def test_sizes_know_both_kinds_of_units(text: object, size: int) -> None:
    """MB is a power of 1000, MiB of 1024."""
    assert bytes_of(text) == size


@pytest.mark.parametrize("wrong", ["64", "64 megs", 0, -1, True, 1.5, "0B", None])
def test_what_is_no_size_is_refused(wrong: object) -> None:
    """A size without a unit is not guessed."""
    assert bytes_of(wrong) is None


@given(st.integers(1, 65_535), st.integers(1, 65_535))
def test_a_range_has_its_ends_in_order(first: int, last: int) -> None:
    """The other way round it is none."""
    assert range_of(f"{first}-{last}") == ((first, last) if first <= last else None)


@pytest.mark.parametrize("wrong", ["0-80", "80-65536", "80", "80-", 80, "a-b"])
def test_what_is_no_range_of_ports_is_refused(wrong: object) -> None:
    """Ports end at 65535."""
    assert range_of(wrong) is None


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:7777", ("127.0.0.1", 7777)), ("[::1]:80", ("::1", 80)), ("localhost:1", ("localhost", 1))],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    """An IPv6 address stands in brackets."""
    assert address_of(text) == address


@pytest.mark.parametrize("wrong", ["localhost", ":80", "a:0", "a:65536", "::1:80", "http://a:80", 80, ""])
def test_what_is_no_address_is_refused(wrong: object) -> None:
    """A host and a port, both of them."""
    assert address_of(wrong) is None


@pytest.mark.parametrize(("value", "expected"), [(1, True), (65_535, True), (0, False), (65_536, False), (True, False)])
def test_ports_are_numbers_from_1_to_65535(value: object, expected: bool) -> None:
    """True is no port, though it equals 1."""
    assert is_port(value) is expected


def test_a_command_is_split_as_a_shell_would() -> None:
    """Quotes hold words together."""
    assert words_of("python -c 'print(1) && 2' a\\ b") == ("python", "-c", "print(1) && 2", "a b")


@pytest.mark.parametrize("operator", ["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"])
def test_what_needs_a_shell_is_refused(operator: str) -> None:
    """No shell runs, so an operator would be passed on as a word."""
    with pytest.raises(ValueError, match="which only a shell understands"):
        words_of(f"a {operator} b")

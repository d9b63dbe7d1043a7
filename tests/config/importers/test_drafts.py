"""What importers collect, and how it is written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.config.errors import ConfigurationError
from nexus.config.importers.drafts import Drafts, read_text, toml_value
from nexus.config.services import NAME
from nexus.config.templates import Template, literal

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_whatever_is_written_is_read_again(value: object) -> None:
    """Quotes, line ends and control characters included."""
    assert tomllib.loads(f"a = {toml_value(value)}\n") == {"a": value}


@given(st.text(alphabet="{}$ab.:-_ \"'", max_size=20), st.booleans())
def test_a_literal_text_stays_as_it_is(text: str, variables: bool) -> None:
    """Foreign braces and dollars are neither placeholders nor variables."""
    template = Template(literal(text, variables=variables), variables=variables)
    assert list(template.names()) == list(template.unreadable_variables()) == []
    assert template.filled(lambda _: "filled", lambda _: "filled") == text


@given(st.lists(st.text(max_size=8), max_size=8))
def test_every_name_is_allowed_and_its_own(wanted: list[str]) -> None:
    """Whatever the foreign file calls its services; a change is noted."""
    drafts = Drafts(Path("Procfile"), "Procfile")
    for one in wanted:
        drafts.add(drafts.name(one), {"command": "a"})
    imported = drafts.done()
    names = [service.name for service in imported.services]
    assert len(names) == len(wanted)
    assert all(NAME.fullmatch(name) for name in names)
    assert len(imported.notes) == sum(name != one for name, one in zip(names, wanted, strict=True))


def test_what_nexus_would_refuse_is_left_out_and_named() -> None:
    """A port that another service has, and variables that Nexus sets itself."""
    drafts = Drafts(Path("Procfile"), "Procfile")
    drafts.add("a", {"command": "a", "port": 80})
    drafts.add("b", {"command": "b", "port": {"fixed": 80, "protocol": "udp"}, "environment": {"NEXUS_HOME": "/"}})
    drafts.add("c", {"command": "c", "port": {"fixed": 80}})
    drafts.add("d", {"command": "d", "ports": {"x": 80, "y": "auto"}})
    imported = drafts.done()
    assert [imported.says(note) for note in imported.notes] == [
        "Procfile: c: not imported: port 80, which a has too",
        "Procfile: d: not imported: port 80, which a has too",
        "Procfile: b: not imported: environment.NEXUS_HOME: expected a name that is free; found NEXUS_HOME",
    ]
    assert [service.keys for service in imported.services] == [
        {"command": "a", "port": 80},
        {"command": "b", "port": {"fixed": 80, "protocol": "udp"}},
        {"command": "c"},
        {"command": "d", "ports": {"y": "auto"}},
    ]
    assert list(imported.configuration({}).declared) == ["a", "b", "c", "d"]


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """As for nexus.toml itself."""
    with pytest.raises(ConfigurationError, match="expected a readable file; found no such file or directory"):
        read_text(tmp_path / "Procfile")
    (tmp_path / "Procfile").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="found bytes that are not UTF-8"):
        read_text(tmp_path / "Procfile")

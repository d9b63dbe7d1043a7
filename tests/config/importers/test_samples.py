"""Foreign files as they are found in the wild, and the nexus.toml that each becomes.

The samples were written for these tests, after the shape of well-known projects. `expected.toml` beside each is the
exact result: every line of a sample that has no place in nexus.toml is named in it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.config.importers.discovery import import_file

SAMPLES = Path(__file__).parent / "samples"
EXPECTED = "expected.toml"
HELPERS = (".env", EXPECTED, "compose.override.yml", "shop.env")


def sample(folder: Path) -> Path:
    """The file of a sample that is imported."""
    return next(path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in HELPERS)


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))
def test_each_sample_becomes_what_is_expected(name: str) -> None:
    """To the letter, and it can be used as it stands."""
    imported = import_file(sample(SAMPLES / name))
    assert imported.toml() == (SAMPLES / name / EXPECTED).read_text("utf-8")
    assert list(imported.configuration({}).declared) == [service.name for service in imported.services]


@pytest.mark.parametrize("name", ["voting", "blog"])
def test_secrets_stay_where_they_are(name: str) -> None:
    """What Docker gives to a container is not copied."""
    assert "not in nexus.toml" not in import_file(sample(SAMPLES / name)).toml()

"""What all tests share: the option that adds the long ones, and how Hypothesis runs."""

from __future__ import annotations

from collections.abc import Iterable

import hypothesis
import pytest

LONG_SECONDS = 3600
"""How long a long test may take; pyproject.toml says it for the others."""

# A shared machine is slow now and then: how long an example took says nothing.
hypothesis.settings.register_profile("nexus", deadline=None)
hypothesis.settings.load_profile("nexus")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long` adds the tests that take minutes."""
    parser.addoption("--long", action="store_true", help="run the tests marked long too")


def pytest_collection_modifyitems(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Without `--long`, a long test is skipped and says so."""
    skip = pytest.mark.skip(reason="takes minutes; run with --long")
    mark = pytest.mark.timeout(LONG_SECONDS) if config.getoption("--long") else skip
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(mark)

"""A server over a home with a history, shared by the tests of a module that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.running import Api, running
from tests.http.story import Story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A home in which three services run, one of which has crashed once."""
    told = Story(tmp_path_factory.mktemp("home")).begin()
    told.crash("web.1")
    yield told
    told.close()


@pytest.fixture(scope="module")
def home(story: Story) -> Path:
    """Where the history is kept."""
    return story.home


@pytest.fixture(scope="module")
def api(story: Story) -> Iterator[Api]:
    """A running server."""
    with running(story.home) as server:
        yield server

"""How the pages are served: the dashboard where it is built, the plain page where it is not."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from nexus.http import pages

INDEX = "<!doctype html><title>built</title>"


def client(dashboard: Path) -> httpx.AsyncClient:
    """A client of the pages alone."""
    transport = httpx.ASGITransport(Starlette(routes=pages.routes(dashboard)))
    return httpx.AsyncClient(transport=transport, base_url="http://nexus")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A dashboard as a build leaves it."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "assets" / "index-1a2b.js").write_text("1")
    (tmp_path / "secret.js").write_text("2")
    return tmp_path


@pytest.mark.parametrize("path", ["/", "/services", "/services/web", "/why/412", "/history", "/ports/8080"])
async def test_every_view_is_an_address(built: Path, path: str) -> None:
    """A link into the dashboard leads to the same page, which must be asked for anew each time."""
    answer = await client(built).get(path)
    assert answer.text == INDEX
    assert answer.headers["cache-control"] == "no-cache"
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert pages.is_navigable(path)


async def test_assets_never_change(built: Path) -> None:
    """A file with a digest in its name is kept for good; nothing beside the assets is served."""
    found = client(built)
    assert "immutable" in (await found.get("/assets/index-1a2b.js")).headers["cache-control"]
    for path in ("/assets/secret.js", "/assets/..%2Fsecret.js", "/secret.js", "/assets/nothing.js"):
        assert (await found.get(path)).status_code == 404


async def test_without_a_build_the_plain_page_serves(tmp_path: Path) -> None:
    """It is also always at /plain; once the dashboard is built, that is served without a restart."""
    found = client(tmp_path)
    plain = (pages.PAGE / "index.html").read_text("utf-8")
    assert (await found.get("/services/web")).text == plain
    assert (await found.get("/plain")).text == plain
    (tmp_path / "index.html").write_text(INDEX)
    assert (await found.get("/")).text == INDEX


def test_data_is_no_page() -> None:
    """A link on another site leads to pages only."""
    assert not any(pages.is_navigable(path) for path in ("/api/status", "/events", "/metrics", "/ws"))

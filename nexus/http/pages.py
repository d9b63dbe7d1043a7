"""The built-in page and the documentation of the API: files without data, which anybody may load."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

PAGE = Path(__file__).parent / "page"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets styles of its own; it still reaches no other host."""


def swagger_ui() -> Path | None:
    """Where the package swagger-ui-bundle-v2 keeps the files of Swagger UI; None without it."""
    spec = importlib.util.find_spec("swagger_ui_bundle")
    if spec is None or spec.origin is None:
        return None
    found = sorted((Path(spec.origin).parent / "vendor").glob("swagger-ui-*"))
    return found[-1] if found else None


def routes() -> list[BaseRoute]:
    """A route for each file, by its name: no path is ever made of what somebody asks for."""
    files = {f"/page/{path.name}": path for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES}
    bundle = swagger_ui()
    if bundle is not None:
        files |= {f"/docs/{name}": bundle / name for name in ("swagger-ui.css", "swagger-ui-bundle.js")}
    return [
        Route("/", _file(PAGE / "index.html"), methods=["GET"]),
        Route("/docs", _file(PAGE / "docs.html", {"Content-Security-Policy": DOCS_POLICY}), methods=["GET"]),
        *(Route(path, _file(file), methods=["GET"]) for path, file in files.items()),
    ]


def _file(path: Path, headers: dict[str, str] | None = None):  # type: ignore[no-untyped-def]
    async def endpoint(_: Request) -> Response:
        given = {"Cache-Control": "no-cache", **(headers or {})}
        return FileResponse(path, headers=given, media_type=MEDIA_TYPES[path.suffix])

    return endpoint

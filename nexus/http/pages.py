"""The pages: the dashboard where it is built, the plain page always, and the documentation of the API.

They are files without data, which anybody may load.
"""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

PAGE = Path(__file__).parent / "page"
DASHBOARD = Path(__file__).parent / "dashboard"
VIEWS = (
    "services",
    "why",
    "history",
    "graph",
    "ports",
    "logs",
    "alerts",
    "incidents",
    "compare",
    "endpoints",
    "patterns",
)
"""The views of the dashboard: the first word of their paths."""

MEDIA_TYPES = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2",
}  # fmt: skip
DASHBOARD_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets styles of its own; it still reaches no other host."""

FRESH = {"Cache-Control": "no-cache"}
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}


def is_navigable(path: str) -> bool:
    """Whether a link on another site may lead to `path`: it is a page, and a page has no data of its own."""
    return path in ("/", "/plain", "/docs", "/docs/services") or path.split("/")[1] in VIEWS


def swagger_ui() -> Path | None:
    """Where the package swagger-ui-bundle-v2 keeps the files of Swagger UI; None without it."""
    spec = importlib.util.find_spec("swagger_ui_bundle")
    if spec is None or spec.origin is None:
        return None
    found = sorted((Path(spec.origin).parent / "vendor").glob("swagger-ui-*"))
    return found[-1] if found else None


def routes(dashboard: Path = DASHBOARD) -> list[BaseRoute]:
    """A route for each file, by its name: no path is ever made of what somebody asks for."""
    files = {f"/page/{path.name}": path for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES}
    bundle = swagger_ui()
    if bundle is not None:
        files |= {f"/docs/{name}": bundle / name for name in ("swagger-ui.css", "swagger-ui-bundle.js")}
    return [
        *(Route(path, _front(dashboard), methods=["GET"]) for path in _view_paths()),
        Route("/assets/{name}", _asset(dashboard / "assets"), methods=["GET"]),
        Route("/plain", _file(PAGE / "index.html"), methods=["GET"]),
        Route("/docs", _file(PAGE / "docs.html", {**FRESH, "Content-Security-Policy": DOCS_POLICY}), methods=["GET"]),
        Route(
            "/docs/services",
            _file(PAGE / "services.html", {**FRESH, "Content-Security-Policy": DOCS_POLICY}),
            methods=["GET"],
        ),
        *(Route(path, _file(file), methods=["GET"]) for path, file in files.items()),
    ]


def _front(dashboard: Path):  # type: ignore[no-untyped-def]
    """The dashboard at every view of it, or the plain page as long as it is not built."""
    built, plain = dashboard / "index.html", PAGE / "index.html"

    async def endpoint(_: Request) -> Response:
        if built.is_file():
            headers = {**FRESH, "Content-Security-Policy": DASHBOARD_POLICY}
            return FileResponse(built, headers=headers, media_type="text/html")
        return FileResponse(plain, headers=FRESH, media_type="text/html")

    return endpoint


def _asset(folder: Path):  # type: ignore[no-untyped-def]
    """A file of the dashboard: its name has a digest of its content, so that it never changes."""

    async def endpoint(request: Request) -> Response:
        name = request.path_params["name"]
        found = await asyncio.to_thread(_named, folder, name)
        if found is None:
            raise HTTPException(404)
        headers = {**IMMUTABLE, "Content-Security-Policy": DASHBOARD_POLICY}
        return FileResponse(found, headers=headers, media_type=MEDIA_TYPES[found.suffix])

    return endpoint


def _named(folder: Path, name: str) -> Path | None:
    there = folder.iterdir() if folder.is_dir() else ()
    return next((it for it in there if it.name == name and it.suffix in MEDIA_TYPES), None)


def _view_paths() -> list[str]:
    return ["/", *(f"/{view}" for view in VIEWS), *(f"/{view}/{{name}}" for view in VIEWS)]


def _file(path: Path, headers: dict[str, str] = FRESH):  # type: ignore[no-untyped-def]
    async def endpoint(_: Request) -> Response:
        return FileResponse(path, headers=headers, media_type=MEDIA_TYPES[path.suffix])

    return endpoint

"""What went wrong with a request, as a problem document (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class ProblemDocument(msgspec.Struct, frozen=True):
    """What went wrong: `thing` is what it is about; `next_step` is what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    thing: str
    expected: str
    found: str
    next_step: str


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A request that is not answered as it was asked."""

    def __init__(
        self,
        status: int,
        thing: str,
        expected: str,
        found: str,
        next_step: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        detail = f"{thing}: expected {expected}, found {found}. {next_step}"
        super().__init__(detail)
        title = HTTPStatus(status).phrase
        self.document = ProblemDocument("about:blank", title, status, detail, thing, expected, found, next_step)
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.document.status

    def response(self) -> Response:
        """The answer that carries it."""
        body = msgspec.json.encode(self.document)
        return Response(body, self.status, {"Cache-Control": "no-store", **self.headers}, MEDIA_TYPE)

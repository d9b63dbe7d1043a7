"""From `api` of nexus.toml to how the endpoints of a service become known."""

from __future__ import annotations

import re

from events.catalog import Api
from nexus.config import keys
from nexus.config.errors import described
from nexus.config.reader import Reader

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
ENDPOINT = re.compile(rf"({'|'.join(METHODS)}) (/[!-~]*)", re.IGNORECASE)
PATH = re.compile(r"/[!-~]*")
"""What goes into the first line of a request: no blanks, nothing that is not printed."""


def read_api(reader: Reader) -> Api:
    """One of the short forms, or the table. Raises ConfigurationError."""
    value = reader.table.get("api", {})
    if value is False:
        return Api(asked=False)
    if isinstance(value, str):
        if not PATH.fullmatch(value):
            raise reader.malformed("api")
        return Api(document=value)
    if isinstance(value, list):
        return Api(endpoints=_endpoints(reader, "api"))
    if not isinstance(value, dict):
        raise reader.malformed("api")
    inner = reader.reader("api", keys.API)
    document = inner.text("document", keys.API_DEFAULTS.document)
    if document and not PATH.fullmatch(document):
        raise inner.malformed("document")
    return Api(
        asked=inner.flag("ask", keys.API_DEFAULTS.asked),
        document=document,
        endpoints=_endpoints(inner, "endpoints"),
        tested=inner.flag("test", keys.API_DEFAULTS.tested),
    )


def _endpoints(reader: Reader, key: str) -> tuple[str, ...]:
    found = []
    for place, text in enumerate(reader.texts(key)):
        match = ENDPOINT.fullmatch(text)
        if match is None:
            raise reader.wrong(
                key, place, expected='a method and a path, such as "GET /orders/{id}"', found=described(text),
                next_step=f"The methods are {', '.join(METHODS)}.",
            )  # fmt: skip
        found.append(f"{match[1].upper()} {match[2]}")
    return tuple(found)

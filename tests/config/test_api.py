"""How `api` of nexus.toml is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.catalog import Api
from nexus.config.files import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Api()),
        ("api = false", Api(asked=False)),
        ('api = "/openapi.json"', Api(document="/openapi.json")),
        ('api = ["get /orders/{id}", "POST /orders"]', Api(endpoints=("GET /orders/{id}", "POST /orders"))),
        ('api = { ask = false, endpoints = ["GET /"], test = true }', Api(False, "", ("GET /",), True)),
        ('api = { document = "/v1/docs?x=1" }', Api(document="/v1/docs?x=1")),
    ],
)
def test_every_form(tmp_path: Path, text: str, expected: Api) -> None:
    """Nothing, false, a path, a list or a table."""
    found = parse(tmp_path / "nexus.toml", f'[services.web]\ncommand = "a"\n{text}\n', {})
    assert found.declared["web"].api == expected

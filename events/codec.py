"""Events as the JSON text that is stored, and back; older schemas are upcast when they are read, never in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Union

import msgspec

from events import catalog
from events.catalog import Event
from events.errors import UnknownEventError

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the fields of one schema version into those of the next; it may rename the kind."""

UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""By (kind, schema) of what was stored."""


def _kinds() -> dict[str, type[Event]]:
    found = [it for it in vars(catalog).values() if isinstance(it, type) and issubclass(it, Event)]
    bases = {base for kind in found for base in kind.__mro__[1:]}
    return {kind.kind(): kind for kind in found if kind not in bases}


KINDS = _kinds()
"""Every kind of event by its word."""

NAMES = {kind: (name, kind.schema) for name, kind in KINDS.items()}
"""The word and the present schema of every kind."""

_present = frozenset(NAMES.values())
_any = Union[tuple(KINDS.values())]  # type: ignore[valid-type]  # noqa: UP007
_one: msgspec.json.Decoder[Event] = msgspec.json.Decoder(_any)
_many: msgspec.json.Decoder[list[Event]] = msgspec.json.Decoder(list[_any])  # type: ignore[valid-type]

encode = msgspec.json.Encoder().encode
"""The event as UTF-8 JSON, with its `kind` inside."""


def decode(kind: str, schema: int, data: str) -> Event:
    """The event that was stored as `data`.

    Raises UnknownEventError for what a newer Nexus wrote, msgspec.DecodeError for anything that is not an event.
    """
    return _one.decode(data if (kind, schema) in _present else upcast(kind, schema, data))


def decode_page(kinds: Iterable[str], schemas: Iterable[int], data: Sequence[str]) -> list[Event]:
    """The same for many at once, which is three times as fast."""
    stored = list(zip(kinds, schemas, strict=True))
    if not _present.issuperset(stored):
        return [decode(kind, schema, text) for (kind, schema), text in zip(stored, data, strict=True)]
    return _many.decode(f"[{','.join(data)}]")


def upcast(kind: str, schema: int, data: str) -> bytes:
    """The stored fields in the present schema, step by step."""
    while (kind, schema) not in _present:
        step = UPCASTERS.get((kind, schema))
        if step is None:
            known = KINDS.get(kind)
            raise UnknownEventError(kind, schema, known.schema if known else None)
        fields = step(msgspec.json.decode(data))
        kind, schema, data = str(fields.setdefault("kind", kind)), schema + 1, msgspec.json.encode(fields).decode()
    return data.encode()

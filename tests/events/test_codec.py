"""Events as text and back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from events import catalog
from events.catalog import Event, RunStarted
from events.codec import KINDS, UPCASTERS, decode, decode_page, encode
from events.errors import UnknownEventError
from tests.events.samples import day

WHOLE = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def values(shape: inspect.Type) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold."""
    match shape:
        case inspect.IntType():
            return WHOLE
        case inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case inspect.StrType():
            return TEXT
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.LiteralType(values=choices):
            return st.sampled_from(choices)
        case inspect.UnionType(types=types):
            return st.one_of([values(it) for it in types])
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(values(key), values(value), max_size=3)
        case inspect.VarTupleType(item_type=item):
            return st.lists(values(item), max_size=3).map(tuple)
        case inspect.TupleType(item_types=items):
            return st.tuples(*map(values, items))
        case inspect.StructType(cls=struct, fields=fields):
            return st.builds(struct, **{it.name: values(it.type) for it in fields})
        case inspect.CustomType() | inspect.RawType():
            return st.just(msgspec.Raw(b'{"books":1}'))
    raise NotImplementedError(shape)


def any_event() -> st.SearchStrategy[Event]:
    """An event of any kind."""
    return st.sampled_from(list(KINDS.values())).flatmap(lambda kind: values(inspect.type_info(kind)))


def same(one: Event, other: Event) -> bool:
    """Equal, also where a field holds raw JSON, which compares by identity."""
    return type(one) is type(other) and encode(one) == encode(other)


@given(any_event())
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    """Whatever its fields hold."""
    assert same(decode(event.kind(), event.schema, encode(event).decode()), event)


@given(st.lists(any_event(), max_size=5))
def test_a_page_comes_back_as_it_was(page: list[Event]) -> None:
    """Many at once are the same as one by one."""
    found = decode_page([it.kind() for it in page], [it.schema for it in page], [encode(it).decode() for it in page])
    assert all(map(same, found, page))
    assert len(found) == len(page)


def test_every_kind_of_the_catalog_is_known() -> None:
    """No kind is forgotten, and no base class is taken for a kind."""
    assert KINDS["run.started"] is RunStarted
    assert {"event", "decision", "run.event", "instance.event", "instance.decision"}.isdisjoint(KINDS)
    leaves = [it for it in vars(catalog).values() if isinstance(it, type) and issubclass(it, Event)]
    assert set(KINDS.values()) == {it for it in leaves if not it.__subclasses__()}


def test_an_older_schema_is_upcast_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step knows only the next one; the last may rename the kind."""
    monkeypatch.setitem(UPCASTERS, ("process.begun", -1), lambda fields: {**fields, "run": int(fields["run"])})
    monkeypatch.setitem(UPCASTERS, ("process.begun", 0), lambda fields: {**fields, "kind": "run.started"})
    stored = '{"kind":"process.begun","instance":"web.1","run":"7","pid":1}'
    expected = RunStarted(instance="web.1", run=7, pid=1)
    assert decode("process.begun", -1, stored) == expected
    recent = encode(expected).decode()
    assert decode_page(["run.started", "process.begun"], [1, -1], [recent, stored]) == [expected, expected]


@pytest.mark.parametrize(
    ("kind", "schema", "message"),
    [
        ("service.moved", 1, "service.moved (schema 1): this version does not know that kind. A newer Nexus wrote it"),
        ("run.started", 2, "run.started (schema 2): this version knows its schema up to 1. A newer Nexus wrote it"),
    ],
)
def test_what_a_newer_nexus_wrote_is_named(kind: str, schema: int, message: str) -> None:
    """The error says which event it is and what to do."""
    with pytest.raises(UnknownEventError) as refused:
        decode(kind, schema, f'{{"kind":"{kind}"}}')
    assert message in str(refused.value)
    with pytest.raises(UnknownEventError):
        decode_page([kind], [schema], ["{}"])


def test_defaults_are_not_stored() -> None:
    """What is not said takes no room, so that a year of history stays small."""
    assert encode(RunStarted(instance="web.1", run=7, pid=1)) == (
        b'{"kind":"run.started","instance":"web.1","run":7,"pid":1}'
    )


def test_the_samples_are_varied() -> None:
    """The day that other tests record holds several kinds and a story of some depth."""
    assert len({type(it.event) for it in day(1, 20)}) >= 6

"""Literals of JavaScript and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.config.errors import ConfigurationError
from nexus.config.importers.drafts import Drafts
from nexus.config.importers.javascript import Expression, parse_literal

PROGRAM = """\
#!/usr/bin/env node
// module.exportss
const shared = { a: 1 };
module.exports = {
  'quoted': "a\\n\\x41\\u0042", bare: 'it\\'s', /* c: 1, */ tick: `two
lines`, template: `${a}`,
  n: [1, -2.5, 0x10, 1e3, 1_000, true, null, undefined],
  call: path.join(__dirname, "a,b", { c: 1 }), sum: 'a' + "b}", shorthand,
  fn: (a, b) => { return [a, b]; },
  ...shared, 7: [],
  nested: {
    deep: [ {
      x: 1 } ] },
};
other();
"""


def parsed(text: str) -> tuple[Any, dict[Any, int]]:
    """The value and the lines."""
    return parse_literal(Drafts(Path("ecosystem.config.js"), "pm2"), text)


def test_what_is_written_out_is_read_and_the_rest_kept_as_text() -> None:
    """Nothing is run."""
    value, lines = parsed(PROGRAM)
    assert value == {
        "quoted": "a\nAB",
        "bare": "it's",
        "tick": "two\nlines",
        "template": Expression("`${a}`"),
        "n": [1, -2.5, 16, 1000.0, 1000, True, None, None],
        "call": Expression('path.join(__dirname, "a,b", { c: 1 })'),
        "sum": Expression("'a' + \"b}\""),
        "shorthand": Expression("shorthand"),
        "fn": Expression("(a, b) => { return [a, b]; }"),
        "...9": Expression("...shared"),
        "7": [],
        "nested": {"deep": [{"x": 1}]},
    }
    assert (lines["quoted",], lines["template",], lines["...9",]) == (5, 6, 10)
    assert (lines["nested", "deep"], lines["nested", "deep", 0, "x"]) == (12, 13)


VALUES = st.recursive(
    st.text() | st.booleans() | st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES, st.sampled_from([None, 2]))
def test_json_is_read_as_json(value: object, indent: int | None) -> None:
    """Every JSON document is a literal; keys in quotes may be anything."""
    assert parsed(json.dumps(value, indent=indent, ensure_ascii=False))[0] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: expected a list or object, written out; found the end of the file."),
        (
            "{\n a: 1",
            "2: expected a list or object, written out; found the end of the file where a comma or } was due.",
        ),
        ("[1,\n 2}", "2: expected a list or object, written out; found '}' where a comma or ] was due."),
        ("{a 1}", "1: expected a list or object, written out; found a without a value."),
        ("{a: 'b}", "1: expected a list or object, written out; found a string that does not end."),
        ("{[a]: 1}", "1: expected a list or object, written out; found '[' where a key was due."),
        ("{a: }", "1: expected a list or object, written out; found '}' where a value was due."),
    ],
)
def test_what_is_no_literal_is_said_with_its_line(text: str, message: str) -> None:
    """Like every other error."""
    with pytest.raises(ConfigurationError) as refused:
        parsed(text)
    assert str(refused.value) == f"ecosystem.config.js:{message} Mend it, then import it again."

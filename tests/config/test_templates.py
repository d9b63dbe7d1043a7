"""Texts with gaps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.config.templates import Template

VALUES = {"port": "80", "services.a-b.url": "http://h"}
VARIABLES = {"NAME": "web", "EMPTY": ""}


def filled(text: str, *, placeholders: bool = True, variables: bool = True) -> str:
    """The text filled in from the values above."""
    return Template(text, placeholders, variables).filled(VALUES.__getitem__, VARIABLES.__getitem__)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("-p {port}", "-p 80"),
        ("{services.a-b.url}/x", "http://h/x"),
        ("{{port}}", "{port}"),
        ("{{{port}}}", "{{port}}"),
        ("${NAME}-${NAME}", "web-web"),
        ("${NONE:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${NAME:-other}", "web"),
        ("${NONE:-}", ""),
        ("${EMPTY}", ""),
        ("$${NAME}", "${NAME}"),
        ("$NAME", "$NAME"),
        ('{"port": {"a": 1}}', '{"port": {"a": 1}}'),
        ("awk '{print $1}' {} {1..5} {a,b}", "awk '{print $1}' {} {1..5} {a,b}"),
    ],
)
def test_gaps_are_filled_and_other_braces_left_alone(text: str, result: str) -> None:
    """JSON, awk and shells may keep their braces."""
    assert filled(text) == result


def test_only_the_gaps_that_count_are_filled() -> None:
    """Commands know no variables, and an `env_file` no placeholders."""
    assert filled("{port} ${NAME} $${NAME}", variables=False) == "80 ${NAME} $${NAME}"
    assert filled("{port} {{port}} ${NAME}", placeholders=False) == "{port} {{port}} web"
    assert list(Template("{port}", placeholders=False).names()) == []


def test_a_variable_without_value_and_default_is_an_error() -> None:
    """It is not taken for empty."""
    with pytest.raises(KeyError, match="NONE"):
        filled("${NONE}")


def test_what_is_filled_in_is_not_read_again() -> None:
    """A value with braces is a value."""
    assert Template("{a}${B}", variables=True).filled(lambda _: "${B}{a}", lambda _: "{a}${B}") == "${B}{a}{a}${B}"


@given(st.text(alphabet="{}$ab.:-_ \"'", max_size=20))
def test_any_text_can_be_filled(text: str) -> None:
    """Nothing but known gaps changes, and what has none stays as it is."""
    template = Template(text, variables=True)
    result = template.filled(lambda word: f"<{word}>", lambda name: f"<{name}>")
    if "{" not in text:
        assert result == text
    assert all(f"<{word}>" in result for word in template.names())


def test_a_template_does_not_show_its_text() -> None:
    """It may hold a secret."""
    assert "hunter2" not in repr({"PASSWORD": Template("hunter2")})

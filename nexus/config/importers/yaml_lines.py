"""YAML with the line of each key."""

from __future__ import annotations

import re
from typing import Any

import yaml

from nexus.config.importers.drafts import Drafts
from nexus.config.lines import KeyPath


class _Loader(yaml.SafeLoader):
    """YAML 1.2 as Docker and Node read it: `no` and `22:22` are texts. Unknown tags such as `!reset` are dropped."""

    yaml_implicit_resolvers = {}  # noqa: RUF012, the base class declares it so


def _plain(loader: _Loader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+", "-+0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))
_Loader.add_multi_constructor("!", _plain)


def parse_yaml(drafts: Drafts, text: str) -> tuple[Any, dict[KeyPath, int]]:
    """A document, and the line on which each of its keys and list items stands; raises ConfigurationError."""
    try:
        node = yaml.compose(text, _Loader)
        document = yaml.load(text, _Loader)  # noqa: S506, a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise drafts.error("valid YAML", str(error.problem), line) from error
    except (yaml.YAMLError, ValueError) as error:
        raise drafts.error("valid YAML", str(error).partition("\n")[0]) from error
    lines: dict[KeyPath, int] = {}
    if node is not None:
        _note(node, (), lines)
    return document, lines


def _note(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    """The lines below a node; what a merge key brings in has the line where it was written."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "<<":
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for one in merged:
                    _note(one, path, lines)
        for key, value in node.value:
            if key.value != "<<":
                lines[*path, key.value] = key.start_mark.line + 1
                _note(value, (*path, key.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            lines[*path, place] = item.start_mark.line + 1
            _note(item, (*path, place), lines)

"""From the specification of a record to code: fixed templates, the same answer every time."""

from __future__ import annotations

import json
import keyword
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,59}")
FIELD = re.compile(r"[a-z][a-z0-9_]{0,59}")
FIELDS_MAX = 50
TYPES: dict[str, tuple[str, str, str, Any]] = {
    "string": ("str", "str,", "string", "text"),
    "integer": ("int", "int,", "number", 7),
    "number": ("float", "int, float", "number", 1.5),
    "boolean": ("bool", "bool,", "boolean", True),
}
"""Each type of field: in Python, the classes that JSON gives for it, in TypeScript, and an example."""

FILES = {
    "python": {"{}.py": "record.py.template", "test_{}.py": "test_record.py.template"},
    "typescript": {"{}.ts": "record.ts.template", "{}.test.ts": "record.test.ts.template"},
}


@dataclass(frozen=True)
class Specification:
    """What is to be generated: a record's name, its fields with their types, and the language."""

    name: str
    fields: dict[str, str]
    language: str

    @property
    def module(self) -> str:
        """The name of its file: `order_line` for OrderLine."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower()


def read_specification(found: dict[str, Any]) -> Specification:
    """The specification in {name, fields: {FIELD: TYPE}, language}; raises ValueError that names what is wrong."""
    name, fields, language = found.get("name"), found.get("fields"), found.get("language", "python")
    if not isinstance(name, str) or not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ValueError(f"name must be letters and digits, such as Customer, not {name!r:.80}")
    if language not in FILES:
        raise ValueError(f"language must be one of {', '.join(FILES)}, not {language!r:.80}")
    if not isinstance(fields, dict) or not 0 < len(fields) <= FIELDS_MAX:
        raise ValueError(f"fields must name 1 to {FIELDS_MAX} fields, each with its type, not {fields!r:.80}")
    for field, kind in fields.items():
        if not FIELD.fullmatch(field) or keyword.iskeyword(field):
            raise ValueError(f"field {field!r:.80} must be small letters, digits and _, and no keyword of Python")
        if kind not in TYPES:
            raise ValueError(f"the type of {field} must be one of {', '.join(TYPES)}, not {kind!r:.80}")
    wanted = Specification(name[0].upper() + name[1:], fields, language)
    if wanted.module in sys.stdlib_module_names:
        raise ValueError(f"{wanted.module}.py would hide a module of Python: choose another name than {name}")
    return wanted


def generate(wanted: Specification) -> dict[str, str]:
    """The files by name: the record with its HTTP handler, and its tests."""
    kinds = {field: TYPES[kind] for field, kind in wanted.fields.items()}
    values = {
        "name": wanted.name,
        "module": wanted.module,
        "title": wanted.module.replace("_", " "),
        "fields": "\n".join(f"    {field}: {python}" for field, (python, _, _, _) in kinds.items()),
        "kinds": "\n".join(f'    "{field}": ({classes}),' for field, (_, classes, _, _) in kinds.items()),
        "properties": "\n".join(f"  {field}: {script};" for field, (_, _, script, _) in kinds.items()),
        "checks": "\n".join(f'  ["{field}", "{script}"],' for field, (_, _, script, _) in kinds.items()),
        "example": json.dumps({field: example for field, (_, _, _, example) in kinds.items()}),
    }
    return {
        file.format(wanted.module): Template((TEMPLATES / template).read_text()).substitute(values)
        for file, template in FILES[wanted.language].items()
    }

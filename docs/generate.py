"""Writes the reference pages that are made from code; `./dev docs` runs it first."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from events import catalog
from events.envelope import Recorded
from nexus.config.reference import reference

REFERENCE = Path(__file__).parent / "reference"
SECTION = re.compile(r"^# -- (.+?) -+$|^class (\w+)\(", re.MULTILINE)
BASES, TYPES = "the bases", "declared types"
IN_EVERY_DECISION = ("rule", "values", "rejected")

Struct = type[msgspec.Struct]


def events_page() -> str:
    """Every kind of event, in the order and the sections of its catalog."""
    found = sections()
    parts = [
        "# Events",
        made_from("events/catalog.py"),
        "A *kind* is a word such as `run.exited`: what happened, in the past tense. "
        "A field that has its default is left out of the log.",
        "## The envelope",
        documented(Recorded),
        table(Recorded),
        "The type of a position is a number without gaps, 1 for the first event; "
        "that of a moment is microseconds since 1970 UTC.",
    ]
    for title in found:
        if title not in (BASES, TYPES):
            parts += [f"## {title[0].upper()}{title[1:]}"]
            parts += decision_fields() if title == "decisions" else []
            parts += [part for it in found[title] for part in (f"### `{word(it)}`", documented(it), table(it))]
    parts += ["## Types that events use"]
    parts += [part for it in found[TYPES] for part in (f"### {it.__name__}", documented(it), table(it))]
    return "\n\n".join(filter(None, parts)) + "\n"


def sections() -> dict[str, list[Struct]]:
    """The sections of the catalog, each with the kinds or types that it declares."""
    found: dict[str, list[Struct]] = {}
    title = ""
    for match in SECTION.finditer(inspect.getsource(catalog)):
        title = match[1] or title
        if match[2]:
            found.setdefault(title, []).append(getattr(catalog, match[2]))
    return found


def word(kind: Struct) -> str:
    """The word that names a kind of event in the log."""
    assert issubclass(kind, catalog.Event)
    return kind.kind()


def decision_fields() -> list[str]:
    """What all decisions have in common."""
    return ["Every decision has these fields too:", table(catalog.Decision, hidden=())]


def table(struct: Struct, hidden: tuple[str, ...] = IN_EVERY_DECISION) -> str:
    """The fields of an event or a type; those of every decision are shown once."""
    shown = [it for it in msgspec.structs.fields(struct) if it.name not in hidden]
    if not shown:
        return ""
    rows = [f"| `{it.name}` | {cell(annotation(struct, it.name))} | {default(it)} |" for it in shown]
    return "\n".join(["| field | type | default |", "|---|---|---|", *rows])


def annotation(struct: Struct, field: str) -> str:
    """The type of a field as it is written in the code."""
    owner = next(base for base in struct.__mro__ if field in inspect.get_annotations(base))
    return str(inspect.get_annotations(owner)[field])


def default(field: msgspec.structs.FieldInfo) -> str:
    """What holds where the field is left out; nothing where it never is."""
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, msgspec.Struct):
        return "its own defaults"
    return cell(bytes(value).decode() if isinstance(value, msgspec.Raw) else msgspec.json.encode(value).decode())


def cell(text: str) -> str:
    """Code inside a table."""
    return f"`{text}`".replace("|", "\\|")


def documented(thing: object) -> str:
    """The docstring of a class or function."""
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "")


def made_from(source: str) -> str:
    """Where to change a page that is made from code."""
    return f"*Made from `{source}` by `docs/generate.py`: change it there.*"


PAGES: dict[str, Callable[[], str]] = {"configuration.md": reference, "events.md": events_page}


def main() -> None:
    """Write every page that is made from code."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()

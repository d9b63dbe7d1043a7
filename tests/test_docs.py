"""The documentation is whole: every event, command and setting is in it, and its links lead somewhere."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from typer.main import get_group

from events.catalog import Decision, Event, InstanceDecision, InstanceEvent, RunEvent
from nexus.cli.app import COMMANDS
from nexus.config.keys import TABLES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
BASES = (Event, InstanceEvent, RunEvent, Decision, InstanceDecision)
WORDS = (
    "actor", "cause", "command", "correlation", "deadline", "decision", "dependency", "effector", "event", "head",
    "home", "instance", "lease", "observation", "outcome", "policy", "position", "probe", "projection", "replay",
    "rule", "run", "sensor", "service", "snapshot", "state", "stream", "subject", "supervisor", "turn",
)  # fmt: skip
"""The words of the design: one for each thing."""


def generator() -> ModuleType:
    """The script that makes the reference pages."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds(base: type[Event] = Event) -> Iterator[str]:
    """Every kind of event."""
    for kind in base.__subclasses__():
        if kind.__module__ == "events.catalog":
            yield from kinds(kind)
            if kind not in BASES:
                yield kind.kind()


@pytest.mark.parametrize("name", generator().PAGES)
def test_pages_made_from_code_are_up_to_date(name: str) -> None:
    """What is committed is what the code says; `./dev docs` makes it so."""
    made = generator().PAGES[name]().splitlines()
    committed = (DOCS / "reference" / name).read_text("utf-8").splitlines()
    assert list(difflib.unified_diff(committed, made, "committed", "made", n=0, lineterm="")) == []


def test_every_kind_of_event_is_documented() -> None:
    """The reference has a heading for each kind."""
    page = (DOCS / "reference" / "events.md").read_text("utf-8")
    assert [kind for kind in kinds() if f"### `{kind}`" not in page] == []


def test_every_command_and_option_is_documented() -> None:
    """The reference has a section for each command, and in it every option."""
    page = (DOCS / "reference" / "cli.md").read_text("utf-8")
    sections = {part.partition("\n")[0]: part for part in page.split("\n## ")[1:]}
    missing = []
    for name in COMMANDS:
        command: Any = get_group(COMMANDS[name]()).commands[name]
        if not command.hidden:
            section = sections.get(f"nexus {name}", "")
            shown = [it for it in command.params if not getattr(it, "hidden", False)]
            words = [word for it in shown for word in it.opts if word.startswith("-")]
            missing += [f"{name} {word}" for word in [f"nexus {name}", *words] if word not in section]
    assert missing == []


def test_every_command_has_its_json_form() -> None:
    """The reference of JSON names each command that prints it."""
    page = (DOCS / "reference" / "json.md").read_text("utf-8")
    commands: dict[str, Any] = {name: get_group(load()).commands[name] for name, load in COMMANDS.items()}
    speaking = [name for name, it in commands.items() if any("--json" in one.opts for one in it.params)]
    assert [name for name in speaking if not re.search(rf"^\|.*`{name}\b.*`.* \|", page, re.MULTILINE)] == []


def test_every_setting_is_documented() -> None:
    """The reference has a row for each key of nexus.toml."""
    page = (DOCS / "reference" / "configuration.md").read_text("utf-8")
    keys = [name for table in TABLES for name in table.names()]
    assert [name for name in keys if f"| `{name}` |" not in page] == []


def test_the_glossary_has_every_word() -> None:
    """Each word of the design is explained, in the order of the alphabet."""
    terms = re.findall(r"^([a-z-]+)\n:   ", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(set(WORDS) - set(terms)) == []
    assert terms == sorted(terms)


def links(page: Path) -> Iterator[str]:
    """The targets of a page's relative links, outside of code."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"!?\[[^]]*\]\(([^)\s]+)\)|src=\"([^\"]+)\"", prose):
        link = "".join(target)
        if not re.match(r"[a-z]+:", link):
            yield link


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site and code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file that exists, and a heading in it."""
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_site_loads_nothing_from_elsewhere() -> None:
    """Whoever reads the documentation is not told to anybody: no foreign fonts, styles or scripts."""
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    site = yaml.safe_load(text)
    assert site["theme"]["font"] is False
    assert site["plugins"] == ["search"]
    assert "://" not in text

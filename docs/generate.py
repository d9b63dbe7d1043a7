"""Writes the reference pages that are made from code; `./dev docs` runs it first."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import typer

from bench.documented import benchmarks_page
from events import catalog
from events.envelope import Recorded
from nexus.cli.app import make_app
from nexus.cli.checks import Check
from nexus.cli.compare import Shown
from nexus.cli.replay import Turn
from nexus.config.reference import reference
from nexus.http import openapi
from nexus.http.operations import OPERATIONS
from nexus.registry.whole import ChangeView
from projections import (
    alert_views,
    changes,
    endpoint_views,
    event_views,
    incident_views,
    pattern_views,
    traffic,
    views,
)
from projections.bundles import Manifest
from projections.explanation import Explanation
from projections.questions import AnswerView
from projections.resource_views import ResourcesView, SeriesView
from projections.rows import TABLES

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
    head, line = "| field | type |", "|---|---|"
    rows = [f"| `{it.name}` | {cell(annotation(struct, it))} |" for it in shown]
    if not all(it.required for it in shown):
        head, line = f"{head} default |", f"{line}---|"
        rows = [f"{row} {default(it)} |" for row, it in zip(rows, shown, strict=True)]
    return "\n".join([head, line, *rows])


def annotation(struct: Struct, field: msgspec.structs.FieldInfo) -> str:
    """The type of a field as it is written in the code; of a choice, what there is to choose from."""
    if get_origin(field.type) is Literal:
        return " | ".join(msgspec.json.encode(value).decode() for value in get_args(field.type))
    owner = next(base for base in struct.__mro__ if field.name in inspect.get_annotations(base))
    return str(inspect.get_annotations(owner)[field.name])


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


# -- the JSON forms ------------------------------------------------------------------------------

JSON_HEAD = """\
# JSON forms

Every command takes `--json`. Moments are written `2026-03-01T09:15:00.000000Z`. Fields are only ever added, never
renamed or removed; what is not known is `null`. Position, here and below: the number of an event.

An error is one object on standard error: `type`, `title`, `status`, and where they help `expected`, `found` and
`next_step`. The [exit code](exit-codes.md) is then 1.

| command | form |
|---|---|
| `up`, `start`, `stop`, `restart`, `pause`, `resume`, `scale`, `signal`, `down`, `detach` | `{seq, done, problems}`: \
where the wish was recorded, whether it came true, and if not why, by service; `up` has `url` too |
| `reload` | `{seq, done, problems, plan}` with the [plan](#plan); with `--dry-run` the plan alone |
| `status` | [status](#status) |
| `events` | [event](#event), one a line |
| `decisions` | [decisions](#decisions) |
| `explain` | [explanation](#explanation) |
| `replay --from`, `replay` | [turn](#turn), one a line |
| `replay --at` | [status](#status) |
| `replay --check` | `{checked, differences}`, each of them a [difference](#difference) |
| `alerts` | [alerts](#alerts) |
| `graph` | [graph](#graph) |
| `endpoints` | [endpoints](#endpoints) |
| `endpoints --usage` | [usage](#usage) |
| `endpoints diff` | `{from, to, breaking, changes}`: two positions, how many changes break callers, and a list of \
[changes](#change-of-an-endpoint) |
| `route explain` | [route](#route) |
| `ports` | [ports](#ports) |
| `ports --free N` | `{seq, at, free: [port], choices: [{port, why, score, …}]}` |
| `ports --who PORT` | `{seq, at, ports: [port], past: [{seq, at, kind, summary, why, because}]}` |
| `ports advise` | [advice](operations.md#adviceview), as `GET /api/advice` |
| `patterns` | [patterns](#patterns); with `--due` [predictions](#predictions) |
| `lease` | [leases](#leases) |
| `lease NAME` | [lease](#leaseview) |
| `release` | `{seq, name, port}` |
| `incidents` | [incidents](#incidents) |
| `mark` | `{seq, name, first, last}` |
| `unmark` | `{seq, name}` |
| `resources` | [resources](#resources) |
| `resources SERVICE` | [series](#series) |
| `logs` | `{instance, line}`, one a line |
| `open` | `{url, lasts_seconds}`: an address that is good once; with `--print` too |
| `token` | `show`: `{token}` · `add`: `{token, name, role, expires_at}` · `list`: `{tokens}`, each of them \
`{name, role, created_at, expires_at}` · `revoke`: `{name}` |
| `query SQL` | [answer](#answer) |
| `query` | `{tables}`, each of them `{about, columns}` |
| `rebuild` | `{seq, tables, snapshots}`: up to which event, and how many |
| `bundle` | [manifest](#manifest) |
| `verify` | `{ok, files: [path], events, head: {seq, at, hash}, problems: [text]}` |
| `doctor` | `{ok, checks}`, each of them a [check](#check) |
| `init` | `{file}` |
| `discover` | `{found}`: a list of `{file, kind, services: [name], notes: [text]}` |
| `import` | the same of one file, with `written`; with `--print` the `toml` instead |
| `version` | `{version, python, sqlite, platform}` |"""

FORMS: dict[str, Struct] = {
    "status": views.Status,
    "event": event_views.EventView,
    "decisions": event_views.DecisionsView,
    "explanation": Explanation,
    "turn": Turn,
    "difference": Shown,
    "plan": changes.Plan,
    "alerts": alert_views.AlertsView,
    "graph": views.GraphView,
    "incidents": incident_views.IncidentsView,
    "endpoints": endpoint_views.EndpointsView,
    "usage": traffic.TrafficView,
    "change of an endpoint": ChangeView,
    "route": endpoint_views.TakenView,
    "ports": views.PortsView,
    "patterns": pattern_views.PatternsView,
    "predictions": pattern_views.PredictionsView,
    "leases": views.LeasesView,
    "resources": ResourcesView,
    "series": SeriesView,
    "answer": AnswerView,
    "manifest": Manifest,
    "check": Check,
}


def json_page() -> str:
    """What programs are given: the forms of the command line and of REST."""
    parts, below = [JSON_HEAD], list[Struct]()
    for name, form in FORMS.items():
        parts += [f"## {name}", documented(form), table(form, hidden=())]
        below += [it for it in nested(form) if it not in below]
    parts += ["## Types that these forms use"]
    parts += [part for it in below for part in (f"### {it.__name__}", documented(it), table(it, hidden=()))]
    return "\n\n".join(filter(None, parts)) + "\n"


def nested(form: Struct) -> list[Struct]:
    """The types that a form is made of, without itself."""
    found, left = list[Struct](), [form]
    while left:
        for it in structs_in(tuple(field.type for field in msgspec.structs.fields(left.pop()))):
            if it not in (form, *found):
                found.append(it)
                left.append(it)
    return found


def structs_in(types: tuple[object, ...]) -> Iterator[Struct]:
    """The structures that types such as `list[X] | None` speak of."""
    for it in types:
        if isinstance(it, type) and issubclass(it, msgspec.Struct):
            yield it
        yield from structs_in(get_args(it))


# -- the web API ---------------------------------------------------------------------------------


def operations_page() -> str:
    """Every operation of the web API."""
    document = openapi.document(OPERATIONS, "")
    rows = ["| method | path | role | answer |", "|---|---|---|---|"]
    for it in OPERATIONS:
        anchor = (
            f"{it.method} {it.path}".lower().replace("/", "").replace(" ", "-").translate(str.maketrans("", "", "{}."))
        )
        path = f"[`{it.path}`](#{anchor})"
        rows.append(f"| {it.method} | {path} | {it.role or 'anybody'} | {form(it.answer, it.media_type)} |")
    parts = ["# Operations of the web API", made_from("nexus/http/operations.py"), "\n".join(rows)]
    below = list[Struct]()
    for it in OPERATIONS:
        parts += [f"### {it.method} {it.path}", it.summary, parameters(document["paths"][it.path][it.method.lower()])]
        parts += [f"The body is a [{it.body.__name__}](#{it.body.__name__.lower()})." if it.body else ""]
        below += [one for one in (it.body, it.answer) if isinstance(one, type) and one is not str and one not in below]
    for one in list(below):
        below += [other for other in nested(one) if other not in below]
    parts += ["## Types"]
    parts += [part for it in sorted(below, key=lambda one: one.__name__)
              for part in (f"### {it.__name__}", documented(it), table(it, hidden=()))]  # fmt: skip
    return "\n\n".join(filter(None, parts)) + "\n"


def form(answer: Any, media_type: str) -> str:
    """What an operation answers."""
    return f"[{answer.__name__}](#{answer.__name__.lower()})" if answer is not str else media_type.partition(";")[0]


def parameters(operation: dict[str, Any]) -> str:
    """What an operation takes in its path, query and headers."""
    rows = []
    for it in operation["parameters"]:
        schema = it["schema"]
        choices = " or ".join(map(json.dumps, schema.get("enum", [])))
        limits = [f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
        kind = choices or " ".join([schema.get("type", "text"), *limits])
        rows.append(f"| `{it['name']}` | {it['in']} | {kind} | {it.get('description', '')} |")
    return "\n".join(["| parameter | in | type | meaning |", "|---|---|---|---|", *rows]) if rows else ""


# -- the command line ----------------------------------------------------------------------------


def cli_page() -> str:
    """Every command with its arguments and options."""
    root = typer.main.get_command(make_app(lambda home, file: None))
    return "\n\n".join(["# Commands", made_from("nexus/cli"), *command_parts("nexus", root)]) + "\n"


def command_parts(path: str, command: Any) -> Iterator[str]:
    """A command, and those below it."""
    context = typer.Context(command, info_name=path)
    yield f"## {path}"
    arguments = [it.metavar or it.name.upper() for it in command.params if it.param_type_name == "argument"]
    below = command.list_commands(context) if hasattr(command, "list_commands") else []
    yield f"```text\n{' '.join([path, '[OPTION]...', *arguments, *(['COMMAND'] if below else [])])}\n```"
    yield inspect.cleandoc(command.help or "")
    records = [it.get_help_record(context) for it in command.params if not getattr(it, "hidden", False)]
    rows = [f"| {cell(re.sub(' <.*', '', words))} | {meaning} |" for words, meaning in filter(None, records)]
    if rows:
        yield "\n".join(["| argument or option | meaning |", "|---|---|", *rows])
    for name in below:
        it = command.get_command(context, name)
        if not it.hidden:
            yield from command_parts(f"{path} {name}", it)


# -- the tables ----------------------------------------------------------------------------------


def tables_page() -> str:
    """Every table that may be asked in SQL."""
    parts = ["# Tables", made_from("projections/rows.py"), TABLES_HEAD]
    for name, it in TABLES.items():
        rows = ["| column | type | names a row of |", "|---|---|---|"]
        for place, (column, kind) in enumerate(it.columns.items()):
            sort = "integer" if kind is int else "text"
            rows.append(f"| `{column}` | {sort}{', key' if place == 0 else ''} | {it.references.get(column, '')} |")
        parts += [f"## {name}", it.about, "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


TABLES_HEAD = """\
The tables are in `tables.db` in the home; see [the guide](../guides/query.md). Moments are text in UTC such as
`2026-03-01T09:15:00.000000Z`: as text they are in the order of time. What is not known is null. `nexus` says in its row
`seq` up to which event the tables tell the history; `events_fts` is the index of the words of `events`."""


PAGES: dict[str, Callable[[], str]] = {
    "../benchmarks.md": benchmarks_page,
    "cli.md": cli_page,
    "configuration.md": reference,
    "events.md": events_page,
    "json.md": json_page,
    "operations.md": operations_page,
    "tables.md": tables_page,
}


def main() -> None:
    """Write every page that is made from code."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()

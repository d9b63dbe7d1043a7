"""Why something happened: its causes up to the root, its outcome down to the end."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree as Drawing

from events.catalog import Value
from events.envelope import Micros
from nexus.cli import output
from nexus.cli.options import At, Json, commands
from nexus.cli.output import paint, say
from nexus.cli.session import Session
from projections.explanation import Explanation, Tree
from projections.moments import micros_of

app = commands()
UNBROKEN = 10_000
"""How many columns there are where nobody looks: lines are not broken in files."""


@app.command()
def explain(
    context: typer.Context,
    event: Annotated[int, typer.Argument(metavar="ID", help="The position of a decision, or of any other event.")],
    at: At = "",
    as_json: Json = False,
) -> None:
    """Tell why something was decided or happened."""
    session: Session = context.obj
    found = session.source.explain(event, session.when(at))
    if session.json:
        output.emit(found)
    else:
        _show(found)


def _show(found: Explanation) -> None:
    now = micros_of(found.at)
    say(paint(f"#{found.id} {found.summary}", "bold"))
    sort = "decided" if found.rule else "seen"
    say(f"  {sort} at {output.clock(now, exact=True)} about {found.subject} ({found.kind})")
    if found.rule:
        say()
        say(f"why: {found.rule_in_words} ({found.rule})")
    for name, value in found.values.items():
        say(f"  {name.replace('_', ' ')}: {_plain(value)}")
    if found.rejected:
        say()
        say("what was not done:")
    for no in found.rejected:
        say(f"  {no.option}: {no.reason}")
    say()
    say("what led to it, and what came of it:")
    _draw(found, now)


def _plain(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _draw(found: Explanation, now: Micros) -> None:
    """The chain of causes from the root down, then the event itself, then its outcome."""
    causes: list[Tree] = []
    above = found.causes
    while above:
        causes.append(above[0])
        above = above[0].children
    this = Tree(found.id, found.at, found.kind, "decision" if found.rule else "observation", found.summary, found.rule)
    top = drawing = Drawing(_label(causes[-1] if causes else this, now, this=not causes), guide_style="dim")
    for cause in reversed(causes[:-1]):
        drawing = drawing.add(_label(cause, now))
    if causes:
        drawing = drawing.add(_label(this, now, this=True))
    _grow(drawing, found.outcome, now)
    console = Console(
        file=sys.stdout,
        width=output.width() or UNBROKEN,
        highlight=False,
        color_system="auto" if output.coloured() else None,
    )
    with console.capture() as capture:
        console.print(top)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _grow(drawing: Drawing, trees: tuple[Tree, ...], now: Micros) -> None:
    for tree in trees:
        _grow(drawing.add(_label(tree, now)), tree.children, now)


def _label(tree: Tree, now: Micros, this: bool = False) -> Text:
    text = Text()
    text.append(f"#{tree.id} ", style="dim")
    text.append(tree.summary, style="bold" if this else "yellow" if tree.rule else "default")
    seconds = (micros_of(tree.at) - now) / 1e6
    apart = f", {'-' if seconds < 0 else '+'}{output.duration(abs(seconds))}" if seconds else ""
    if tree.rule or apart:
        text.append(f" ({(tree.rule or '') + apart})".replace("(, ", "("), style="dim")
    if tree.more:
        text.append(f" … `nexus explain {tree.id}`", style="dim")
    return text

"""What many commands share: their options, and the plain form of their help."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nexus.cli.session import Session


def commands() -> typer.Typer:
    """A group of commands whose help is plain text."""
    return typer.Typer(rich_markup_mode=None)


def _json(context: typer.Context, value: bool) -> bool:
    session: Any = context.obj
    if isinstance(session, Session):
        session.json = value
    return value


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.", callback=_json)]
At = Annotated[
    str,
    typer.Option("--at", metavar="TIME", help='A position, an ISO time, "14:02", "10 min ago" or "yesterday 9:14".'),
]
Services = Annotated[list[str], typer.Argument(metavar="SERVICE", help="Names of services.", show_default=False)]
NoServices = Annotated[
    list[str] | None, typer.Argument(metavar="[SERVICE]", help="Names of services; all without.", show_default=False)
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return as soon as the wish is recorded.")]

"""The first steps of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nexus.cli.options import Json
from nexus.cli.session import Session
from nexus.config import files

app = typer.Typer()


@app.command()
def init(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="[PATH]", help="A folder, or the file to write.")] = Path(),
    as_json: Json = False,
) -> None:
    """Write a first nexus.toml to fill in."""
    session: Session = context.obj
    written = files.init(path.absolute())
    session.told({"file": str(written)}, f"wrote {written}: declare your services there, then `nexus up`")

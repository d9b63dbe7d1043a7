"""The first steps of a project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nexus.cli import output
from nexus.cli.options import Json, commands
from nexus.cli.output import say
from nexus.cli.session import Session
from nexus.config import files
from nexus.config.importers.discovery import discover as found_in
from nexus.config.importers.discovery import import_file
from nexus.config.importers.drafts import Imported

app = commands()


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


@app.command("import")
def import_(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A Procfile, compose file, package.json, …")],
    show: Annotated[bool, typer.Option("--print", help="Print the nexus.toml instead of writing it.")] = False,
    as_json: Json = False,
) -> None:
    """Make a nexus.toml of another program's configuration."""
    session: Session = context.obj
    imported = import_file(source.absolute())
    configuration = imported.configuration()
    if show:
        session.told({**_found(imported), "toml": imported.toml()}, imported.toml().rstrip())
        return
    written = files.init(configuration.path, imported.toml())
    for note in [] if session.json else imported.notes:
        print(f"nexus: {imported.says(note)}", file=sys.stderr)
    services = ", ".join(configuration.declared) or "no services"
    session.told(
        {**_found(imported), "written": str(written)}, f"wrote {written} with {services}: read it, then `nexus up`"
    )


@app.command()
def discover(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to look; here without.")] = Path(),
    as_json: Json = False,
) -> None:
    """Show which files of a folder say what its services are."""
    session: Session = context.obj
    found = found_in(folder.absolute())
    if session.json:
        output.emit({"found": [_found(imported) for imported in found]})
        return
    if not found:
        say(f"nothing in {folder.absolute()} says what its services are; `nexus init` writes a file to fill in")
    for imported in found:
        names = ", ".join(service.name for service in imported.services) or "no services"
        say(f"{imported.source.name} ({imported.kind}): {names}")
        for note in imported.notes:
            say(f"  {imported.says(note)}")
    if found:
        say(f"`nexus import {found[0].source.name}` makes a nexus.toml of the first")


def _found(imported: Imported) -> dict[str, object]:
    return {
        "file": str(imported.source),
        "kind": imported.kind,
        "services": [service.name for service in imported.services],
        "notes": [imported.says(note) for note in imported.notes],
    }

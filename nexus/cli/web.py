"""The page and who may use it: open, token."""

from __future__ import annotations

import html
import webbrowser
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from nexus.cli import output
from nexus.cli.options import Json, commands
from nexus.cli.output import say, table
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.client.place import Place
from nexus.config.values import seconds_of
from nexus.http.private import write_private
from nexus.http.tokens import CODE_SECONDS, Codes, Issued, NameTakenError, Role, Token, Tokens
from projections import views
from projections.moments import iso

app = commands()
token = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(token, name="token", help="Say who may use the web API, and for what.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the token is for; events name it.", show_default=False)]


@app.command("open")
def open_page(
    context: typer.Context,
    show: Annotated[bool, typer.Option("--print", help="Print the address instead; it is good once.")] = False,
    role: Annotated[
        Role, typer.Option(metavar="ROLE", help="What the page may do: read, operate or admin.")
    ] = "operate",
    as_json: Json = False,
) -> None:
    """Open the page in the browser, and hand it a token."""
    session: Session = context.obj
    url = views.url(session.state())
    if url is None:
        raise ProblemError("the page is not served now", next_step="start Nexus with `nexus up -d`", kind="no-page")
    address = f"{url}/#code={Codes(session.home).make(role=role)}"
    if show or session.json:
        session.told({"url": address, "lasts_seconds": CODE_SECONDS}, address)
    elif webbrowser.open(_doorway(session.home, address).as_uri()):
        say(url)
    else:
        say(f"no browser could be started; open this within {CODE_SECONDS:.0f} s: {address}")


def _doorway(home: Path, address: str) -> Path:
    """A page that leads on to the address: what a browser is started with is seen by every user of the machine."""
    path = home / "open.html"
    target = html.escape(address)
    write_private(path, f'<meta http-equiv="refresh" content="0;url={target}"><a href="{target}">Nexus</a>'.encode())
    return path


@token.command("show")
def show_token(context: typer.Context, as_json: Json = False) -> None:
    """Print your own token, for curl and scripts."""
    session: Session = context.obj
    secret = Tokens(session.home).default()
    session.told({"token": secret}, secret)


@token.command("add")
def add_token(
    context: typer.Context,
    name: Name,
    role: Annotated[Role, typer.Option(metavar="ROLE", help="read, operate or admin.")] = "read",
    term: Annotated[str, typer.Option("--for", metavar="TIME", help="How long it is good, such as 30d.")] = "",
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it, with where to use it, for `nexus --remote FILE`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token; it is shown this once."""
    session: Session = context.obj
    url = views.url(session.state()) if file else ""
    if url is None:
        raise ProblemError(
            "the web API does not answer now", next_step="start Nexus with `nexus up -d`", kind="no-page"
        )
    lasts_seconds = seconds_of(term) if term else None
    if term and not lasts_seconds:
        raise ProblemError("that is no time", expected="a time such as 90s, 2h or 30d", found=term, kind="usage")
    try:
        issued: Issued = Tokens(session.home).issue(name, role, lasts_seconds)
    except NameTakenError as error:
        raise ProblemError(str(error), kind="name-taken") from error
    if file:
        write_private(file, msgspec.json.encode(Place(str(url), issued.secret)) + b"\n")
    shown = {"token": issued.secret, "name": name, "role": role, "expires_at": _moment(issued.expires_at)}
    session.told(shown, f"{file} is a key to {url}: keep it private" if file else issued.secret)


@token.command("list")
def list_tokens(context: typer.Context, as_json: Json = False) -> None:
    """Show every token that is valid, without its secret."""
    session: Session = context.obj
    found = Tokens(session.home).all()
    if session.json:
        output.emit({"tokens": [_shown(it) for it in found]})
        return
    rows = [[it.name, it.role, _moment(it.created_at) or "", _moment(it.expires_at) or "–"] for it in found]
    for line in table(["TOKEN", "ROLE", "SINCE", "UNTIL"], rows):
        print(line)


@token.command("revoke")
def revoke_token(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Make a token invalid at once."""
    session: Session = context.obj
    tokens = Tokens(session.home)
    if not tokens.revoke(name):
        names = ", ".join(it.name for it in tokens.all()) or "none"
        raise ProblemError(f"there is no token {name!r}", expected=names, found=name, kind="no-such-token")
    session.told({"name": name}, f"{name} is not valid any more")


def _shown(token: Token) -> dict[str, str | None]:
    return {
        "name": token.name, "role": token.role, "created_at": _moment(token.created_at),
        "expires_at": _moment(token.expires_at),
    }  # fmt: skip


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else iso(int(seconds * 1_000_000))

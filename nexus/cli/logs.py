"""What services have written."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from nexus.cli import output
from nexus.cli.follow import forever
from nexus.cli.options import Json, NoServices, commands
from nexus.cli.output import paint
from nexus.cli.problems import ProblemError
from nexus.cli.session import Session
from nexus.cli.story import known_service
from projections.conditions import is_internal

app = commands()
BLOCK_BYTES = 65_536
COLOURS = ("cyan", "yellow", "green", "blue")


class Tail:
    """One log file, read from some lines before its end on; `ended` is what was read last."""

    def __init__(self, path: Path, label: str) -> None:
        self.path, self.label = path, label
        self.position, self.inode, self._begun = 0, 0, b""

    def last(self, count: int) -> list[str]:
        """Its last complete lines."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            self.inode, start = status.st_ino, status.st_size
            content = b""
            while start > 0 and content.count(b"\n") <= count:
                start = max(0, start - BLOCK_BYTES)
                file.seek(start)
                content = file.read(status.st_size - start)
            self.position = status.st_size
        return [line.decode("utf-8", "replace") for line in deque(content.splitlines(), count)]

    def more(self) -> Iterator[str]:
        """The lines that were completed since the last call; a file that was replaced or cut is read from its start."""
        try:
            status = self.path.stat()
        except OSError:
            return
        if status.st_ino != self.inode or status.st_size < self.position:
            self.inode, self.position, self._begun = status.st_ino, 0, b""
        if status.st_size == self.position:
            return
        with self.path.open("rb") as file:
            file.seek(self.position)
            content = self._begun + file.read(status.st_size - self.position)
        self.position = status.st_size
        *lines, self._begun = content.split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)


@app.command()
def logs(
    context: typer.Context,
    services: NoServices = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written next.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", metavar="N", min=0, help="How many lines of each.")] = 50,
    as_json: Json = False,
) -> None:
    """Show what services wrote to their output."""
    session: Session = context.obj
    if session.remote:
        from nexus.cli import far

        far.logs(session, services or [], lines, follow, functools.partial(_say, session))
        return
    tails = _tails(session, services or [])
    for tail in tails:
        for line in tail.last(lines):
            _show(session, tails, tail, line)

    def look() -> None:
        for tail in tails:
            for line in tail.more():
                _show(session, tails, tail, line)

    if follow:
        forever(look)


def _tails(session: Session, names: list[str]) -> list[Tail]:
    state = session.state()
    wanted = {name if is_internal(state, name) else known_service(session, name) for name in names}
    found = [
        instance.name
        for instance in state.services.instances.values()
        if (instance.service in wanted or instance.name in wanted)
        or (not wanted and not is_internal(state, instance.service))
    ]
    if not found:
        raise ProblemError("no service has ever been started here", next_step="`nexus up -d`", kind="no-logs")
    return [Tail(session.home / "logs" / f"{name}.log", name) for name in found]


def _show(session: Session, tails: list[Tail], tail: Tail, line: str) -> None:
    width = max(len(it.label) for it in tails) if len(tails) > 1 else 0
    _say(session, tail.label, line, width, COLOURS[tails.index(tail) % len(COLOURS)])


def _say(session: Session, label: str, line: str, width: int, colour: str = "cyan") -> None:
    """One line; without a width there is only one instance, which needs no label."""
    if session.json:
        output.emit({"instance": label, "line": line})
    else:
        print(f"{paint(f'{label:<{width}}', colour)}  {line}" if width else line, flush=True)


def last_lines(home: Path, instance: str, count: int) -> list[str]:
    """The last lines that an instance wrote."""
    return Tail(home / "logs" / f"{instance}.log", instance).last(count)

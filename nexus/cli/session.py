"""What every command begins with: the home, its history, and the moment that is asked about."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from events.envelope import Position
from events.files import numbers
from nexus.cli import output
from nexus.cli.problems import ProblemError
from nexus.config.files import HOME_NAME, find, home_for
from projections.history import History
from projections.moments import Moment, MomentError, parse
from projections.state import State

Supervise = Callable[[Path, Path], None]
"""Supervises a home with a configuration file until a shutdown is completed, in the main thread."""


class Session:
    """One use of the command line; `override` is `--home` or NEXUS_HOME."""

    def __init__(self, supervise: Supervise, override: Path | None) -> None:
        self.supervise, self.override = supervise, override
        self.json = False

    # -- where -----------------------------------------------------------------------------------

    @functools.cached_property
    def home(self) -> Path:
        """Where the history is kept; raises ConfigurationError where nothing says where."""
        return home_for(find(Path.cwd()) or _above(Path.cwd()), self.override)

    @functools.cached_property
    def history(self) -> History:
        """The recorded history; raises ProblemError or LogError where there is none.

        What can't be read of it is told on standard error.
        """
        if not numbers(self.home):
            raise ProblemError(
                f"nothing has been recorded in {self.home} yet",
                next_step="start your services with `nexus up -d`",
                kind="no-history",
            )
        history = History(self.home)
        head = history.reader.head
        for damage in history.reader.unreadable:
            if not head:
                raise damage
            print(f"nexus: {damage}", file=sys.stderr)
        return history

    @property
    def head(self) -> Position:
        """The position of the last event."""
        return self.history.reader.head.seq

    def told(self, value: object, text: str) -> None:
        """Say something: the value for a program, the text for a person."""
        if self.json:
            output.emit(value)
        else:
            output.say(text)

    # -- when ------------------------------------------------------------------------------------

    def moment(self, text: str) -> Moment:
        """The moment that a person typed; raises ProblemError for a text that names none."""
        try:
            return parse(text, datetime.now().astimezone(), lambda naive: naive.astimezone())
        except MomentError as error:
            raise ProblemError(str(error), expected=error.expected, found=repr(text), kind="bad-moment") from error

    def position(self, text: str) -> Position:
        """The last event up to the moment that a person typed; raises ProblemError where there is none."""
        moment, head = self.moment(text), self.head
        found = self.history.reader.seq_at(moment.at) if moment.seq is None else moment.seq
        if not 1 <= found <= head:
            title = f"there is no event {found}" if moment.seq is not None else f"nothing had happened yet at {text!r}"
            first = self.history.reader.get(1)
            began = f", from {_local(first.at)} on" if first else ""
            raise ProblemError(title, expected=f"events 1 to {head}{began}", found=text, kind="no-such-moment")
        return found

    def start(self, text: str) -> Position:
        """The first event of an interval that begins at the moment that a person typed."""
        moment, reader = self.moment(text), self.history.reader
        if moment.seq is None:
            return reader.seq_at(moment.at - 1) + 1
        return self.position(text)

    def state(self, at: str = "") -> State:
        """What was known at the moment that a person typed, by default now."""
        return self.history.at(self.position(at) if at else None)


def _above(start: Path) -> Path | None:
    """The nearest folder with a home, for projects whose configuration has another name."""
    return next((folder for folder in (start, *start.parents) if numbers(folder / HOME_NAME)), None)


def _local(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6).astimezone().isoformat(" ", timespec="seconds")

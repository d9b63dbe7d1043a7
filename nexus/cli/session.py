"""What every command begins with: the home, its history, and the moment that is asked about."""

from __future__ import annotations

import contextlib
import functools
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from events.envelope import Position
from events.files import numbers
from nexus.cli import output
from nexus.cli.local import Local
from nexus.cli.problems import ProblemError, only_local
from nexus.config.files import HOME_NAME, find, home_for
from projections.history import History
from projections.moments import Moment, MomentError, iso, parse
from projections.state import State

if TYPE_CHECKING:
    from nexus.client.sync import Client
    from projections.bundles import Manifest

Supervise = Callable[[Path, Path], None]
"""Supervises a home with a configuration file until a shutdown is completed, in the main thread."""


class Session:
    """One use of the command line; `override` is `--home` or NEXUS_HOME: a folder, or a bundle to read.

    `remote` is the key to another machine.
    """

    def __init__(self, supervise: Supervise, override: Path | None, remote: Path | None = None) -> None:
        self.supervise, self.override, self.remote = supervise, override, remote
        self.json = False
        self.bundle: Manifest | None = None
        """What was packed, where a bundle is read."""
        self._open = contextlib.ExitStack()

    def close(self) -> None:
        """Let go of the history, of what was unpacked, and of the connections to another machine."""
        self._open.close()

    # -- where -----------------------------------------------------------------------------------

    @functools.cached_property
    def home(self) -> Path:
        """Where the history is kept; raises ConfigurationError where nothing says where, ProblemError where none is."""
        if self.remote:
            raise only_local(self.remote)
        if self.override is not None and self.override.is_file():
            return self._unpacked(self.override)
        return home_for(find(Path.cwd()) or _above(Path.cwd()), self.override)

    def open_bundle(self, bundle: Path | None) -> None:
        """Read this bundle, where one is named, instead of the home; raises ProblemError where there is none."""
        if bundle is None:
            return
        if not bundle.is_file():
            raise ProblemError(f"there is no bundle {bundle}", expected="a file that `nexus bundle` made", found="none")
        self.override = bundle.absolute()

    def refuse_bundle(self, command: str) -> None:
        """Raises ProblemError where a bundle was named, for what can't be done with one."""
        if self.override is not None and self.override.is_file():
            raise ProblemError(
                f"{self.override.name} can only be read", expected="a command that reads the history", found=command,
                next_step="name a folder with --home", kind="bundle",
            )  # fmt: skip

    def _unpacked(self, bundle: Path) -> Path:
        """The home in a bundle; it is there as long as this session."""
        from projections.unpacking import BundleError, unpack

        home = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="nexus-bundle-")))
        try:
            self.bundle = unpack(bundle, home)
        except BundleError as error:
            raise ProblemError(
                str(error), expected=error.expected, found=error.found,
                next_step="ask for another one: `nexus bundle` makes it", kind="bad-bundle",
            ) from error  # fmt: skip
        for problem in self.bundle.problems:
            print(f"nexus: when {bundle.name} was made: {problem}", file=sys.stderr)
        return home

    @functools.cached_property
    def client(self) -> Client:
        """The Nexus of another machine; raises UnreachableError where the file does not say which."""
        from nexus.client.sync import Client

        assert self.remote is not None
        return self._open.enter_context(Client.from_file(self.remote))

    @functools.cached_property
    def source(self) -> Local | Client:
        """Whom to ask: the log of this machine, or the Nexus of another one."""
        return self.client if self.remote else Local(self)

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
        self._open.enter_context(history.reader)
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
        first = self.first
        if not first <= found <= head:
            title = f"there is no event {found}" if moment.seq is not None else f"nothing had happened yet at {text!r}"
            begun = self.history.reader.get(first)
            began = f", from {_local(begun.at)} on" if begun else ""
            raise ProblemError(title, expected=f"events {first} to {head}{began}", found=text, kind="no-such-moment")
        return found

    @functools.cached_property
    def first(self) -> Position:
        """The first event that there is; of a bundle the first that was packed."""
        return self.history.first if self.bundle is None else self.bundle.first

    def when(self, text: str) -> str:
        """The moment that a person typed, as it is asked: on another machine `14:02` may be another moment."""
        if not self.remote or not text:
            return text
        moment = self.moment(text)
        return iso(moment.at) if moment.seq is None else str(moment.seq)

    def start(self, text: str) -> Position:
        """The first event of an interval that begins at the moment that a person typed."""
        moment, reader = self.moment(text), self.history.reader
        if moment.seq is None:
            return max(self.first, reader.seq_at(moment.at - 1) + 1)
        return self.position(text)

    def state(self, at: str = "") -> State:
        """What was known at the moment that a person typed, by default now."""
        return self.history.at(self.position(at) if at else None)


def _above(start: Path) -> Path | None:
    """The nearest folder with a home, for projects whose configuration has another name."""
    return next((folder for folder in (start, *start.parents) if numbers(folder / HOME_NAME)), None)


def _local(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6).astimezone().isoformat(" ", timespec="seconds")

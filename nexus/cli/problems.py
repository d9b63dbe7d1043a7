"""What is said when a command can't do what it was asked: one clear text, or an RFC 9457 object for programs."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from events.errors import LogError
from nexus.client.problems import ClientError
from nexus.config.errors import ConfigurationError


class ProblemError(Exception):
    """A command can't do what it was asked: what is wrong, what was expected and found, and the next step."""

    def __init__(self, title: str, *, expected: str = "", found: str = "", next_step: str = "", kind: str = "") -> None:
        super().__init__(title)
        self.title, self.expected, self.found, self.next_step = title, expected, found, next_step
        self.kind = kind or "problem"

    def text(self) -> str:
        """The lines for a person."""
        fields = {"expected": self.expected, "found": self.found, "next step": self.next_step}
        return "\n".join([f"nexus: {self.title}", *(f"  {name + ':':<10} {it}" for name, it in fields.items() if it)])

    def document(self) -> bytes:
        """The object for a program."""
        fields = {"expected": self.expected, "found": self.found, "next_step": self.next_step}
        given = {name: it for name, it in fields.items() if it}
        return msgspec.json.encode({"type": f"urn:nexus:{self.kind}", "title": self.title, "status": 1, **given})


def only_local(remote: Path) -> ProblemError:
    """What is said of a command that another machine can't be asked."""
    return ProblemError(
        "this works only on the machine itself", found=f"--remote {remote}", kind="only-local",
        next_step="run it there, or leave --remote and NEXUS_REMOTE out",
    )  # fmt: skip


def as_problem(error: Exception) -> ProblemError | None:
    """What a person is told of an error; None for one that is a fault of Nexus itself."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ConfigurationError):
        place = str(error.file) if error.line is None else f"{error.file}:{error.line}"
        title = f"{place}: {error.key}" if error.key else place
        return ProblemError(
            title, expected=error.expected, found=error.found, next_step=error.next_step, kind="bad-configuration"
        )
    if isinstance(error, ClientError):
        fields = {name: str(getattr(error, name, "")) for name in ("expected", "found", "next_step")}
        return ProblemError(str(getattr(error, "thing", error)), kind="remote", **fields)
    if isinstance(error, LogError):
        return ProblemError(str(error), kind="log")
    if isinstance(error, PermissionError) and error.filename:
        return ProblemError(
            f"{error.filename} may not be read or written by this user",
            next_step="run nexus as the user who runs the supervisor",
            kind="not-allowed",
        )
    return None


def report(problem: ProblemError, as_json: bool) -> None:
    """Say it on standard error."""
    print(problem.document().decode() if as_json else problem.text(), file=sys.stderr)

"""What can go wrong with the log, each with the thing, what was expected, what was found and the next step."""

from __future__ import annotations

from events.envelope import Position


class LogError(Exception):
    """The log could not do what was asked; nothing has changed."""


class LogFullError(LogError):
    """There is no room for the events, not even after the ballast was freed."""


class LogDamagedError(LogError):
    """A log file does not hold what was written to it; what is known up to `last_good` is still good."""

    def __init__(self, file: str, problem: str, last_good: Position) -> None:
        super().__init__(f"{file}: {problem}; events up to {last_good} are good. `nexus verify` tells the whole story.")
        self.file, self.problem, self.last_good = file, problem, last_good


class LogLockedError(LogError):
    """Another process writes to the log."""

    def __init__(self, path: str, pid: int | None) -> None:
        who = f"the process {pid}" if pid else "another process"
        super().__init__(f"{path}: {who} writes to this log; stop it first (`nexus down`), or use another --home.")
        self.pid = pid


class DuplicateCommandError(LogError):
    """A command with this `command_id` is in the log already, at `position`."""

    def __init__(self, command_id: str, position: Position) -> None:
        super().__init__(
            f"command {command_id!r} was received before, as event {position}; ask for its outcome instead."
        )
        self.command_id, self.position = command_id, position


class UnknownEventError(LogError):
    """An event was written by a newer version of Nexus."""

    def __init__(self, kind: str, schema: int, known: int | None) -> None:
        expected = f"this version knows its schema up to {known}" if known else "this version does not know that kind"
        super().__init__(
            f"{kind} (schema {schema}): {expected}. A newer Nexus wrote it: upgrade Nexus to read this log."
        )
        self.kind, self.schema = kind, schema


class OutOfOrderError(ValueError):
    """A batch does not follow the head of the log: whoever made it is wrong about what happened before."""

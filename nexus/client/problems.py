"""What goes wrong for a client: nobody answers, the answer is a problem, or a part of the history is gone."""

from __future__ import annotations

from events.envelope import Position


class ClientError(Exception):
    """Nexus could not be asked, or did not do what it was asked."""


class UnreachableError(ClientError):
    """Nobody answers there, or not whoever was expected."""


class RefusedError(ClientError):
    """A problem document (RFC 9457) came back: what it is about, what is wrong, and what to do about it."""

    def __init__(self, status: int, thing: str, expected: str, found: str, next_step: str) -> None:
        super().__init__(f"{thing}: expected {expected}, found {found}. {next_step}")
        self.status, self.thing, self.expected, self.found, self.next_step = status, thing, expected, found, next_step


class GapError(ClientError):
    """The events `first` to `last` can't be read; what there is follows `after`."""

    def __init__(self, first: Position, last: Position, reason: str, after: Position) -> None:
        super().__init__(f"the events {first} to {last} are missing: {reason}; go on after {after}")
        self.first, self.last, self.reason, self.after = first, last, reason, after

"""What is known of a run while it is followed."""

from __future__ import annotations

from dataclasses import dataclass

from events.envelope import Position


@dataclass
class Watch:
    """One run that is followed by `handle`, a descriptor of its shim or, where that was killed, of its service `pid`.

    `leader` is the shim while that one is watched, else 0; its number stays the name of the run's `session`. `here`
    says that we began the run, so that its orphans come to us, and `since` when. `asked` is the signal that asked it
    to end.
    """

    run: Position
    instance: str
    leader: int
    pid: int
    session: int = 0
    here: bool = False
    since: int = 0
    handle: int = -1
    asked: str = ""
    announced: bool = True
    looks: int = 0
    wait_status: int | None = None
    cleaning_since: float = 0.0
    with_shim: bool = False
    left_behind: bool = False

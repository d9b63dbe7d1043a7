"""The supervisor itself: who runs, for which project, and whether it is about to go."""

from __future__ import annotations

from typing import Literal

import msgspec

from events.catalog import (
    CommandReceived,
    ConfigurationLoaded,
    ConfigurationRefused,
    PortPool,
    PortRules,
    ShutdownCompleted,
    SupervisorStarted,
    SupervisorStopped,
)
from events.envelope import Recorded
from projections.fold import Fold

replace = msgspec.structs.replace


class Supervisor(msgspec.Struct, frozen=True):
    """`pid` is 0 where the last supervisor ended in good order; `asked` is the event that made it go.

    `refused` says what is wrong with a changed configuration that was not loaded.
    """

    pid: int = 0
    version: str = ""
    started_at: int = 0
    project: str = ""
    path: str = ""
    pool: PortPool = PortPool()
    worktree: str = ""
    machine: PortRules = PortRules()
    platform: str = ""
    going: Literal["", "down", "detach"] = ""
    gone: bool = False
    asked: int = 0
    refused: str = ""


fold: Fold[Supervisor] = Fold()


@fold.on(SupervisorStarted)
def _started(supervisor: Supervisor, it: Recorded, event: SupervisorStarted) -> Supervisor:
    return replace(
        supervisor, pid=event.pid, version=event.version, started_at=it.at, going="", gone=False,
        machine=event.machine, platform=event.platform,
    )  # fmt: skip


@fold.on(SupervisorStopped)
def _stopped(supervisor: Supervisor, _: Recorded, __: SupervisorStopped) -> Supervisor:
    return replace(supervisor, pid=0)


@fold.on(ConfigurationLoaded)
def _loaded(supervisor: Supervisor, _: Recorded, event: ConfigurationLoaded) -> Supervisor:
    return replace(
        supervisor, project=event.project, path=event.path, pool=event.pool, worktree=event.worktree, refused=""
    )  # fmt: skip


@fold.on(ConfigurationRefused)
def _refused(supervisor: Supervisor, _: Recorded, event: ConfigurationRefused) -> Supervisor:
    return replace(supervisor, refused=event.problem)


@fold.on(CommandReceived)
def _asked(supervisor: Supervisor, it: Recorded, event: CommandReceived) -> Supervisor:
    if event.verb in ("down", "detach"):
        return replace(supervisor, going=event.verb, asked=it.seq)
    if event.verb == "reload":
        return replace(supervisor, refused="")
    if event.verb == "up":
        return replace(supervisor, going="", gone=False, asked=it.seq)
    return supervisor


@fold.on(ShutdownCompleted)
def _gone(supervisor: Supervisor, _: Recorded, __: ShutdownCompleted) -> Supervisor:
    return replace(supervisor, gone=True)

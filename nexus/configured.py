"""The configuration that a supervisor goes by: read whole or not at all, and what a new one would change."""

from __future__ import annotations

from pathlib import Path

from events.catalog import ConfigurationLoaded, Service
from nexus import parts
from nexus.config.files import Configuration, load, worktree_of
from nexus.config.sealing import sealed
from projections.changes import Plan, plan
from projections.state import State


class Configured:
    """The configuration in `file`; `services` are those that it declares and Nexus's own."""

    def __init__(self, home: Path, file: Path) -> None:
        self.home, self.file = home, file
        self.configuration, self.services = _load(home, file)

    def reload(self, state: State) -> ConfigurationLoaded | None:
        """Read the file anew: what is to be recorded; raises ConfigurationError and changes nothing."""
        self.configuration, self.services = _load(self.home, self.file)
        return self.changed(state)

    def changed(self, state: State) -> ConfigurationLoaded | None:
        """What is declared, where that is not what is known."""
        return _changed(self.configuration, self.services, state)


def planned(home: Path, file: Path, state: State) -> Plan:
    """What loading the file would do now; raises ConfigurationError where it can't be used."""
    loaded = _changed(*_load(home, file), state)
    steps = plan(state.services, loaded) if loaded else []
    return Plan(str(file), loaded is not None, steps)


def _load(home: Path, file: Path) -> tuple[Configuration, dict[str, Service]]:
    configuration = load(file)
    return configuration, {**sealed(configuration, home), **parts.declared(configuration)}


def _changed(configuration: Configuration, services: dict[str, Service], state: State) -> ConfigurationLoaded | None:
    worktree = worktree_of(configuration.folder)
    known = (state.services.declared, state.supervisor.pool, state.supervisor.worktree)
    if (services, configuration.pool, worktree) == known:
        return None
    return ConfigurationLoaded(
        project=configuration.project, path=str(configuration.path), services=services, pool=configuration.pool,
        worktree=worktree,
    )  # fmt: skip

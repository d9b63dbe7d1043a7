"""Homes to try commands on, and how to run them: as people do, in a process of their own, or quickly in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from typer.testing import CliRunner, Result

from events.catalog import Event
from events.codec import KINDS
from events.envelope import Recorded
from events.log import Log
from nexus.cli.app import make_app

INCIDENT = Path(__file__).parent / "incident.jsonl"
BEGAN = 1_772_373_731_000_251
"""2026-03-01T14:02:11.000251Z, when the log of the incident was begun."""

KILLED, FIRST_TRY, GIVEN_UP, MENDED, LAST = 16, 20, 33, 39, 47
"""Positions in the incident: the database is killed, tried again, given up, started by somebody; the last event."""

ENVIRONMENT = {"TZ": "UTC", "NO_COLOR": "1", "COLUMNS": "100"}

_any_event: Any = msgspec.json.Decoder(Event)


class _Line(msgspec.Struct):
    seq: int
    at: int
    cause: int | None
    basis: int | None
    actor: str | None
    event: msgspec.Raw


def incident() -> list[Recorded]:
    """A database is killed, can't start any more, is given up, and is mended; its dependent goes and comes back."""
    lines = [msgspec.json.decode(line, type=_Line) for line in INCIDENT.read_bytes().splitlines()]
    return [Recorded(it.seq, it.at, _event(it.event), it.cause, it.basis, it.actor) for it in lines]


def _event(raw: msgspec.Raw) -> Event:
    kind = msgspec.json.decode(raw)["kind"]
    event: Event = msgspec.json.decode(raw, type=KINDS[kind])
    return event


def record(home: Path, history: Sequence[Recorded] | None = None) -> Path:
    """A home with a recorded history, by default that of the incident."""
    with Log.open(home, now=lambda: BEGAN, ballast_bytes=4096) as log:
        log.append(incident() if history is None else history)
    return home


def nexus(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as people do, away from a terminal."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
    return subprocess.run(
        [sys.executable, "-m", "nexus.main", *arguments],
        cwd=cwd, env={**own, **ENVIRONMENT, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def quickly(home: Path, *arguments: str) -> Result:
    """Run a command that needs no supervisor in this process."""
    return CliRunner().invoke(make_app(no_supervisor), ["--home", str(home), *arguments], env=ENVIRONMENT)


def no_supervisor(home: Path, file: Path) -> None:
    """What reading commands never need."""
    raise AssertionError(f"no supervisor was to run for {home}")

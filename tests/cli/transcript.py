"""A transcript of commands on a recorded incident; `TZ=UTC python -m tests.cli.transcript` writes it anew."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cli.homes import quickly, record

PATH = Path(__file__).parent / "incident.txt"
PROMPT = "$ nexus "

COMMANDS = (
    "status --at 15", "status --at 17", "status --at 38", "alerts --at 38", "graph --at 38", "ports --at 15",
    "events --since 16 -n 8 --at 33", "events --kind restart", "decisions --rule restart.ladder",
    "explain 20", "explain 34", "explain 16", "replay --from 16 --to 23", "replay --from 2026-03-01T14:12:19 --to 38",
    "lease --at 15", "lease database --at 15",
)  # fmt: skip


def cases() -> Iterator[tuple[str, str]]:
    """Each command of the transcript with what it printed."""
    for part in PATH.read_text("utf-8").split(f"\n{PROMPT}"):
        command, _, printed = part.removeprefix(PROMPT).partition("\n")
        yield command, printed.strip("\n")


def run(home: Path, command: str) -> str:
    """What a command prints, errors after the rest."""
    result = quickly(home, *shlex.split(command))
    return (result.stdout + result.stderr).strip("\n")


def main() -> None:
    """Write the transcript anew."""
    with tempfile.TemporaryDirectory() as folder:
        home = record(Path(folder))
        parts = [f"{PROMPT}{command}\n{run(home, command)}\n" for command in COMMANDS]
    PATH.write_text("\n".join(parts), "utf-8")


if __name__ == "__main__":
    main()

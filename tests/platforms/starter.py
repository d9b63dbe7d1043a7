"""`python -m tests.platforms.starter HOME COMMAND...`: a supervisor to be killed, with runs 1, 2, ...

Prints the pid of each service, then "ready", and stays.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from events.catalog import RunStarted
from tests.platforms.conformance import seen
from tests.platforms.linux_machine import LinuxMachine


async def main(home: str, *commands: str) -> None:
    """Start the commands and wait to be killed."""
    machine = LinuxMachine(Path(home))
    for run, command in enumerate(commands, 1):
        drafts = machine.processes.start(run, machine.command("sh", "-c", command))
        print((await seen(machine, RunStarted, drafts)).pid, flush=True)
    print("ready", flush=True)
    await machine.mailbox.wait(None)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

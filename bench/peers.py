"""The supervisors that people would use instead, each with what it takes to run the same quiet services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.install import find

Commands = Mapping[str, list[str]]
"""The command of each service by its name."""


@dataclass(frozen=True)
class Peer:
    """A supervisor: `write` puts its configuration into a folder, `command` runs it there in the foreground.

    `missing` says why it can't be measured here.
    """

    name: str
    write: Callable[[Path, Commands], None]
    command: Callable[[Path], list[str]]
    missing: Callable[[], str | None] = lambda: None
    environment: Callable[[Path], dict[str, str]] = lambda _: {}
    stop: Callable[[Path], list[str]] | None = None
    restarts: bool = True


def _ours(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _program(name: str) -> str:
    return find(name) or name


def _needs(name: str) -> Callable[[], str | None]:
    return lambda: None if find(name) else f"{name} is not installed"


def _shell(words: list[str]) -> str:
    return " ".join(f"'{word}'" if not word.isalnum() else word for word in words)


# -- Nexus ---------------------------------------------------------------------------------------


def _write_nexus(folder: Path, commands: Commands) -> None:
    lines = ["[nexus]", 'project = "bench"']
    for name, words in commands.items():
        command = json.dumps([word.replace("{", "{{").replace("}", "}}") for word in words])
        lines += [f"[services.{name}]", f"command = {command}", 'restart = { delays = ["0s"], attempts_max = 1000000 }']
    (folder / "nexus.toml").write_text("\n".join(lines) + "\n")


NEXUS = Peer(
    "nexus",
    _write_nexus,
    lambda folder: [_ours("nexus"), "up", str(folder / "nexus.toml")],
    stop=lambda folder: [_ours("nexus"), "--home", str(folder / ".nexus"), "down"],
)


# -- from the Python index -----------------------------------------------------------------------


def _write_supervisord(folder: Path, commands: Commands) -> None:
    lines = ["[supervisord]", "nodaemon=true", f"pidfile={folder}/pid", f"logfile={folder}/log"]
    for name, words in commands.items():
        lines += [
            f"[program:{name}]", f"command={_shell(words)}", "startsecs=0", "startretries=1000000",
            "autorestart=true", "stdout_logfile=NONE", "stderr_logfile=NONE",
        ]  # fmt: skip
    (folder / "supervisord.conf").write_text("\n".join(lines) + "\n")


def _write_circus(folder: Path, commands: Commands) -> None:
    lines = ["[circus]", "check_delay = 0.1", f"endpoint = ipc://{folder}/c", f"pubsub_endpoint = ipc://{folder}/p"]
    for name, words in commands.items():
        lines += [f"[watcher:{name}]", f"cmd = {words[0]}", f"args = {_shell(words[1:])}", "max_retry = -1"]
    (folder / "circus.ini").write_text("\n".join(lines) + "\n")


def _write_procfile(folder: Path, commands: Commands) -> None:
    (folder / "Procfile").write_text("".join(f"{name}: {_shell(words)}\n" for name, words in commands.items()))


SUPERVISORD = Peer(
    "supervisord", _write_supervisord,
    lambda folder: [_program("supervisord"), "-c", str(folder / "supervisord.conf")], _needs("supervisord"),
)  # fmt: skip
CIRCUS = Peer(
    "circus", _write_circus, lambda folder: [_program("circusd"), str(folder / "circus.ini")], _needs("circusd"),
)  # fmt: skip
HONCHO = Peer(
    "honcho", _write_procfile,
    lambda folder: [_program("honcho"), "-f", str(folder / "Procfile"), "start"], _needs("honcho"),
    restarts=False,
)  # fmt: skip


# -- from npm ------------------------------------------------------------------------------------


def _write_pm2(folder: Path, commands: Commands) -> None:
    apps = [
        {"name": name, "script": words[0], "args": words[1:], "interpreter": "none", "restart_delay": 0}
        for name, words in commands.items()
    ]
    (folder / "pm2.json").write_text(json.dumps({"apps": apps}))


PM2 = Peer(
    "pm2", _write_pm2,
    lambda folder: [_program("pm2"), "start", str(folder / "pm2.json"), "--no-daemon"], _needs("pm2"),
    lambda folder: {"PM2_HOME": str(folder / "pm2")},
)  # fmt: skip


def _write_mprocs(folder: Path, commands: Commands) -> None:
    procs = {name: {"cmd": words, "autorestart": True} for name, words in commands.items()}
    (folder / "mprocs.json").write_text(json.dumps({"procs": procs}))


MPROCS = Peer(
    "mprocs", _write_mprocs,  # it wants a terminal
    lambda folder: ["script", "-qfec", f"{_program('mprocs')} --config {folder / 'mprocs.json'}", "/dev/null"],
    _needs("mprocs"),
)  # fmt: skip


# -- from the distribution -----------------------------------------------------------------------


def _write_service_folders(folder: Path, commands: Commands) -> None:
    for name, words in commands.items():
        service = folder / "services" / name
        service.mkdir(parents=True)
        run = service / "run"
        run.write_text(f"#!/bin/sh\nexec {_shell(words)}\n")
        run.chmod(0o755)


RUNIT = Peer(
    "runit", _write_service_folders, lambda folder: ["runsvdir", str(folder / "services")], _needs("runsvdir"),
)  # fmt: skip
S6 = Peer(
    "s6", _write_service_folders, lambda folder: ["s6-svscan", str(folder / "services")], _needs("s6-svscan"),
)  # fmt: skip


def _write_monit(folder: Path, commands: Commands) -> None:
    lines = ["set daemon 1", f"set pidfile {folder}/monit.pid", f"set statefile {folder}/monit.state",
             f"set idfile {folder}/monit.id"]  # fmt: skip
    for name, words in commands.items():
        script = folder / f"{name}.sh"
        script.write_text(f"#!/bin/sh\necho $$ > {folder}/{name}.pid\nexec {_shell(words)}\n")
        script.chmod(0o755)
        start = f"/bin/sh -c 'setsid {script} >/dev/null 2>&1 </dev/null &'"
        lines += [f'check process {name} with pidfile {folder}/{name}.pid\n  start program = "{start}"']
    (folder / "monitrc").write_text("\n".join(lines) + "\n")
    (folder / "monitrc").chmod(0o600)


MONIT = Peer(
    "monit", _write_monit, lambda folder: [_program("monit"), "-I", "-c", str(folder / "monitrc")], _needs("monit"),
)  # fmt: skip

PEERS = (NEXUS, SUPERVISORD, CIRCUS, HONCHO, PM2, MPROCS, RUNIT, S6, MONIT)


def start(peer: Peer, folder: Path) -> subprocess.Popen[bytes]:
    """Run the supervisor in the foreground of a session of its own, its output in a file."""
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(
            peer.command(folder), cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, env={**os.environ, **peer.environment(folder)},
        )  # fmt: skip

"""Installs what Nexus is measured against, apart from our own environment: in `.bench/`, and from the distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / ".bench"
PYTHON = ("supervisor", "circus", "honcho", "setuptools<81")  # supervisor and circus import pkg_resources
NODE = ("pm2", "mprocs")
DOCUMENTS = ("@readme/oas-examples", "@scalar/galaxy")
DEBIAN = ("runit", "s6", "monit")
"""The packages of each registry; services of theirs that the distribution starts by itself are not ours to stop."""


def find(name: str) -> str | None:
    """Where a program is: among what was installed here, else on the path."""
    places = (PLACE / "bin", PLACE / "node_modules" / ".bin")
    return next((str(it / name) for it in places if (it / name).exists()), None) or shutil.which(name)


def install() -> None:
    """Get what can be had here, and say in one line what can't."""
    if not (PLACE / "bin" / "python").exists():
        venv.create(PLACE, with_pip=True)
    _run([str(PLACE / "bin" / "python"), "-m", "pip", "install", "--quiet", *PYTHON])
    if npm := shutil.which("npm"):
        _run([npm, "install", "--silent", "--no-save", "--prefix", str(PLACE), *NODE])
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        _run([apt, "install", "-y", "-qq", "--no-install-recommends", *DEBIAN])


def install_documents() -> None:
    """Get real OpenAPI documents, which are no part of the project (MIT License)."""
    if npm := shutil.which("npm"):
        _run([npm, "install", "--silent", "--no-save", "--ignore-scripts", "--prefix", str(PLACE), *DOCUMENTS])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        print(f"not installed: {' '.join(command[-4:])}: {' '.join(last)}", file=sys.stderr)

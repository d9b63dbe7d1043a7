"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path

import psutil


def machine() -> dict[str, str | int | float]:
    """The processor, memory and system that all figures depend on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load": round(psutil.getloadavg()[0], 1),
    }


def _processor() -> str:
    """The model as Linux knows it, otherwise the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()

"""Side by side with what people would use instead, in one run: `python -m bench NAME… [--quick] [--json]`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import machine

HERE = Path(__file__).parent


def names() -> list[str]:
    """Every benchmark: the modules beside this one that have a `run`."""
    return sorted(path.stem for path in HERE.glob("*.py") if "\ndef run(" in path.read_text("utf-8"))


def measure(name: str, quick: bool) -> dict[str, Any]:
    """Run one benchmark: its name, machine and date, `figures` by subject and measure, and `ratios` by measure."""
    began = datetime.now(UTC).isoformat(timespec="seconds")
    found = importlib.import_module(f"bench.{name}").run(quick)
    return {"name": name, "machine": machine(), "date": began, **found}


def show(result: dict[str, Any], console: Console) -> None:
    """The same as a table."""
    figures: dict[str, dict[str, Any]] = result["figures"]
    measures = list(dict.fromkeys(measure for values in figures.values() for measure in values))
    table = Table("", *figures, title=f"{result['name']} · {result['date']}", title_justify="left")
    for measure in measures:
        table.add_row(measure, *(_number(values.get(measure)) for values in figures.values()))
    if result["ratios"]:
        table.add_section()
    for measure, value in result["ratios"].items():
        table.add_row(measure, _number(value), *([""] * (len(figures) - 1)))
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in result["machine"].items()), style="dim")


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="+", choices=names(), metavar="NAME", help=f"one of {', '.join(names())}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: for a first look, not to be quoted")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of tables")
    asked = parser.parse_args()
    for name in asked.name:
        result = measure(name, asked.quick)
        if asked.json:
            print(json.dumps(result), flush=True)
        else:
            show(result, Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Side by side with what people would use instead, in one run: `python -m bench NAME… [--quick] [--json] [--save]`."""

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
RESULTS = HERE / "results"
"""The last full run of each benchmark, from which docs/benchmarks.md is made."""


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
    columns, rows = figures(result)
    table = Table("", *(it.replace("_", " ") for it in columns), title=f"{result['name']} · {result['date']}")
    for name, values in rows:
        table.add_row(name.replace("_", " "), *values)
    console.print(table)
    for measure, value in result["ratios"].items():
        console.print(f"{measure}: {number(value)}")
    for subject, values_of in result["figures"].items():
        if "missing" in values_of:
            console.print(f"{subject} was not measured: {values_of['missing']}")
    console.print(", ".join(f"{name} {value}" for name, value in result["machine"].items()), style="dim")


def figures(result: dict[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The columns and rows of what was measured; whichever are fewer, subjects or measures, are the columns."""
    measured = {subject: values for subject, values in result["figures"].items() if "missing" not in values}
    measures = list(dict.fromkeys(measure for values in measured.values() for measure in values))
    cells = {(subject, it): number(values.get(it)) for subject, values in measured.items() for it in measures}
    few, many = sorted((list(measured), measures), key=len)
    return few, [(row, [cells.get((row, it)) or cells.get((it, row), "") for it in few]) for row in many]


def number(value: Any) -> str:
    """A figure with three digits that count, or all of them where it is large."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="+", choices=names(), metavar="NAME", help=f"one of {', '.join(names())}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: for a first look, not to be quoted")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of tables")
    parser.add_argument("--save", action="store_true", help="keep the result for docs/benchmarks.md")
    asked = parser.parse_args()
    if asked.save and asked.quick:
        parser.error("--save is for whole runs: leave --quick out")
    for name in asked.name:
        result = measure(name, asked.quick)
        if asked.save:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        if asked.json:
            print(json.dumps(result), flush=True)
        else:
            show(result, Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The page of the documentation that shows the last full run of each benchmark that was kept."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

from bench.__main__ import RESULTS, figures, number


def benchmarks_page() -> str:
    """The last full run of each benchmark that was kept."""
    parts = [
        "# Benchmarks",
        "*Made from `bench/results` by `docs/generate.py`; `./dev bench NAME --save` keeps a full run.*",
        "Each benchmark measures Nexus and what people would use instead in one run. Absolute figures are those of one "
        "machine on one day; the ratios are what to compare.",
    ]
    for path in sorted(RESULTS.glob("*.json")):
        parts += benchmark_parts(json.loads(path.read_text("utf-8")))
    return "\n\n".join(parts) + "\n"


def benchmark_parts(result: dict[str, Any]) -> Iterator[str]:
    """One benchmark: what it measures, its figures, its machine and date."""
    measured, cells = figures(result)
    purpose = ast.get_docstring(ast.parse((RESULTS.parent / f"{result['name']}.py").read_text("utf-8"))) or ""
    yield f"## {result['name']}"
    yield purpose
    yield "\n".join(
        [f"| | {' | '.join(measured)} |", "|---|" + "---:|" * len(measured)]
        + [f"| {row.replace('_', ' ')} | {' | '.join(values)} |" for row, values in cells]
    )
    for subject, values in result["figures"].items():
        if "missing" in values:
            yield f"{subject} was not measured: {values['missing']}."
    if result["ratios"]:
        yield "Ratios: " + ", ".join(f"{name} **{number(value)}**" for name, value in result["ratios"].items()) + "."
    machine = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result["machine"].items())
    yield f"{result['date'][:10]}: {machine}."

"""Figures as a table for people, and as JSON for machines."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.table import Table

from tests.bench.figures import Bound, Figure

Results = Mapping[str, Sequence[Figure]]

#: How a bound is written.
SIGNS: Mapping[Bound, str] = {"at least": ">=", "at most": "<="}


def table(results: Results) -> Table:
    """Return all figures, each with min, median and max, beside its goal."""
    shown = Table(box=None, header_style="bold")
    for column in ("benchmark", "figure", "unit"):
        shown.add_column(column)
    for column in ("min", "median", "max", "goal", ""):
        shown.add_column(column, justify="right")
    for name, figures in results.items():
        for figure in figures:
            shown.add_row(name, figure.name, figure.unit, *_numbers(figure), *_judged(figure))
    return shown


def _numbers(figure: Figure) -> list[str]:
    return [number(each) for each in (min(figure.values), figure.middle, max(figure.values))]


def _judged(figure: Figure) -> list[str]:
    goal = figure.goal
    if goal is None:
        return ["", ""]
    return [
        f"{SIGNS[goal.bound]} {number(goal.value)}",
        "met" if goal.is_met(figure.middle) else "missed",
    ]


def number(value: float) -> str:
    """Return a number with three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def document(results: Results, runs: int) -> str:
    """Return everything as JSON, with what the machine was."""
    machine = {
        "cpus": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
    }
    told = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "runs": runs,
        "machine": machine,
        "results": {
            name: [figure.document() for figure in figures] for name, figures in results.items()
        },
    }
    return json.dumps(told, indent=2) + "\n"


def save(results: Results, runs: int, folder: Path) -> Path:
    """Write the JSON file; return where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.json"
    path.write_text(document(results, runs))
    return path

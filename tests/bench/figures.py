"""Figures as they are shown: each measured several times, beside what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Literal

Bound = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be; `of` says what a ratio is a ratio to."""

    bound: Bound
    value: float
    of: str = ""

    def is_met(self, figure: float) -> bool:
        """Tell whether a figure is as good as was wanted."""
        return figure >= self.value if self.bound == "at least" else figure <= self.value


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity, measured once a run of the benchmark, in the order of the runs."""

    name: str
    unit: str
    values: Sequence[float]
    goal: Goal | None = None

    @property
    def middle(self) -> float:
        """Return the median, which is what counts."""
        return median(self.values)

    def document(self) -> dict[str, object]:
        """Return the figure for the JSON file."""
        told: dict[str, object] = {
            "name": self.name,
            "unit": self.unit,
            "values": list(self.values),
            "min": min(self.values),
            "median": self.middle,
            "max": max(self.values),
        }
        if self.goal is not None:
            told["goal"] = {"bound": self.goal.bound, "value": self.goal.value}
            told["is_met"] = self.goal.is_met(self.middle)
        return told


def joined(runs: Sequence[Sequence[Figure]]) -> list[Figure]:
    """Return the figures of several runs of one benchmark as one figure each."""
    return [
        Figure(same[0].name, same[0].unit, [each.values[0] for each in same], same[0].goal)
        for same in zip(*runs, strict=True)
    ]


def percentiles(
    name: str, unit: str, values: Sequence[float], p50: Goal | None = None, p99: Goal | None = None
) -> list[Figure]:
    """Return the median and the 99th percentile of what one run has measured many times."""
    of_hundred = quantiles(values, n=100, method="inclusive")
    return [
        Figure(f"{name}, p50", unit, [of_hundred[49]], p50),
        Figure(f"{name}, p99", unit, [of_hundred[98]], p99),
    ]

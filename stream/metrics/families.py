"""Metrics as Prometheus reads them: families of samples, and their text form (version 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

#: How the text form is called over HTTP.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One number; `suffix` is what its name has beyond the family's."""

    labels: Labels
    value: float
    suffix: str = ""


class Family(NamedTuple):
    """All numbers of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    samples: Sequence[Sample]


class Histogram:
    """How many values were at most as large as each bound, by labels."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, labels: Labels) -> None:
        """Take a value in."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
            self._sums[labels] = 0.0
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def samples(self) -> Iterator[Sample]:
        """Return buckets, each with all that are below it, and sum and count."""
        for labels, counts in sorted(self._counts.items()):
            so_far = 0
            for bound, count in zip((*self._bounds, None), counts, strict=True):
                so_far += count
                text = "+Inf" if bound is None else f"{bound:g}"
                yield Sample((*labels, ("le", text)), so_far, "_bucket")
            yield Sample(labels, self._sums[labels], "_sum")
            yield Sample(labels, so_far, "_count")


def gauge(name: str, meaning: str, value: float) -> Family:
    """Return the family of a number that goes up and down."""
    return Family(name, "gauge", meaning, (Sample((), value),))


def counter_families(
    counted: Mapping[tuple[str, Labels], int], meanings: Mapping[str, str]
) -> list[Family]:
    """Return what `Counters` counted, a family a name; `meanings` are told of those known."""
    families: dict[str, list[Sample]] = {}
    for (name, labels), value in sorted(counted.items()):
        families.setdefault(name, []).append(Sample(labels, value))
    return [
        Family(f"waitline_{name}_total", "counter", meanings.get(name, ""), samples)
        for name, samples in families.items()
    ]


def written(families: Iterable[Family]) -> str:
    """Return the text form."""
    return "".join(line for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    if family.meaning:
        yield f"# HELP {family.name} {family.meaning}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for labels, value, suffix in family.samples:
        inner = ",".join(f'{name}="{_escaped(said)}"' for name, said in labels)
        yield f"{family.name}{suffix}{f'{{{inner}}}' if inner else ''} {value:.15g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

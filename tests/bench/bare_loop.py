"""What this machine makes of work that needs nothing but a processor, at an even pace.

`python -m tests.bench.bare_loop MILLISECONDS PER_SECOND SECONDS` computes for so long, so often,
and prints the median and the 99th percentile of how many milliseconds each piece took since it was
due. No server can answer sooner that spends as much on a request.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import quantiles

#: How often a piece is timed until it is known how long one is: for half a second.
TRIALS = 1_000

#: How many numbers a trial counts.
TRIAL_SIZE = 2_000


def paced(milliseconds: float, per_second: float, seconds: float) -> list[float]:
    """Compute so long, so often; return how many ms each piece took since it was due.

    How much that is, is told by the machine at its best, so that it is the same beside others.
    """
    a_number = min(_took(TRIAL_SIZE) for _ in range(TRIALS)) / TRIAL_SIZE
    size = round(milliseconds / 1000 / a_number)
    waited, began = [], time.perf_counter()
    for number in range(round(per_second * seconds)):
        due = began + number / per_second
        time.sleep(max(0.0, due - time.perf_counter()))
        _compute(size)
        waited.append(1000 * (time.perf_counter() - due))
    return waited


def _took(size: int) -> float:
    began = time.perf_counter()
    _compute(size)
    return time.perf_counter() - began


def _compute(size: int) -> None:
    """Do what Python programs do: numbers, texts, dictionaries."""
    found: dict[int, str] = {}
    for number in range(size):
        found[number & 1023] = str(number)


if __name__ == "__main__":
    each, often, long = map(float, sys.argv[1:])
    of_hundred = quantiles(paced(each, often, long), n=100, method="inclusive")
    sys.stdout.write(json.dumps({"p50": of_hundred[49], "p99": of_hundred[98]}))

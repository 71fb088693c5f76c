"""How much one turn takes: fewer inputs where each of them moves many runs."""

from __future__ import annotations

from stream.bisect import halves
from stream.turn import RUNS_MAX, Work

#: How many runs a turn is to move. With more of them none is moved faster; but all that is decided
#: is held in memory until it is written, and what arrives meanwhile waits for that.
RUNS_WANTED = RUNS_MAX // 2


class TurnSizes:
    """Sizes a lane's turns by what an input has moved in the one before.

    It changes where the stream is cut, and with that nothing else (order.py).
    """

    def __init__(self) -> None:
        self._runs_an_input: dict[str, float] = {}

    def take(self, lane: str, queue: list[Work]) -> Work:
        """Take the first work of a queue, or so much of it as makes a turn; the rest stays."""
        work = queue.pop(0)
        while _is_divisible(work) and self._expected(lane, work) > RUNS_WANTED:
            work, rest = halves(work)
            queue.insert(0, rest)
        return work

    def note(self, lane: str, inputs: int, runs: int) -> None:
        """Remember how many runs some inputs of a lane have moved; of none there is nothing."""
        if inputs:
            self._runs_an_input[lane] = runs / inputs

    def _expected(self, lane: str, work: Work) -> float:
        return work.size * self._runs_an_input.get(lane, 0.0)


def _is_divisible(work: Work) -> bool:
    return len(work.records) > 1 or len(work.commands) > 1

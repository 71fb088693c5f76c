"""What turns say of themselves: a line a turn, and one a run that failed; never a person's data.

How every other run ended is told at DEBUG: a line for each, with what masks it, took a third of the
time of a worker that ends thousands of them a second.
"""

from __future__ import annotations

import logging
import traceback

import structlog
from structlog.typing import FilteringBoundLogger

from state.run import Run
from state.turn import Changes, Refused
from stream.turn import Work

log = structlog.get_logger()


def report_turn(lane: str, work: Work, changes: Changes, seconds: float) -> dict[str, int]:
    """Log a committed turn, its endings and its faults; return what it counts."""
    ended = [after for _, after in changes.runs if after.status != "running"]
    counts = {
        **changes.tally,
        "records": len(work.records),
        "runs_started": sum(before is None for before, _ in changes.runs),
        "runs_ended": len(ended),
        "quarantined": len(changes.quarantined),
        "duplicates": len(changes.duplicates),
        "effects": len(changes.effects),
        "engine_errors": len(changes.faults),
    }
    counts = {name: number for name, number in counts.items() if number}
    if counts:
        log.info(f"{lane}.turn", ms=round(seconds * 1000, 1), **counts)
    bound = log.bind()  # once: a batch ends thousands of runs
    for run in ended:
        _report_ending(bound, run)
    for fault in changes.faults:
        log.error(
            "run.engine_error", run_id=str(fault.run_id), kind=fault.kind, frames=fault.frames
        )
    return counts


def _report_ending(bound: FilteringBoundLogger, run: Run) -> None:
    failure = run.failure
    level = logging.DEBUG if failure is None else logging.WARNING
    if not bound.is_enabled_for(level):
        return
    bound.log(
        level,
        "run.ended",
        run_id=str(run.run_id),
        automation_id=str(run.automation_id),
        status=run.status,
        reason=run.reason,
        **({} if failure is None else {"step": failure.step_key, "code": failure.code}),
    )


def report_refused(lane: str, work: Work, refused: Refused) -> None:
    """Log work that cannot be done as it is, with the frames if it was the engine's own fault."""
    cause = refused.__cause__
    frames = "" if cause is None else "".join(traceback.format_tb(cause.__traceback__))
    log.warning("turn.refused", lane=lane, code=refused.sqlstate, size=work.size, frames=frames)

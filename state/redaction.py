"""A finished run without its person: what a deletion leaves of it (rules I5, R4)."""

from __future__ import annotations

from msgspec.structs import replace

from state.erasure import ERASED
from state.history import Entry, history_of
from state.run import Failure, Resolved, Run


def redacted(run: Run) -> Run:
    """Return an ended run without what is the person's: payloads, outputs, identifiers, texts.

    What stays says that it ran, by which steps, when, and how it ended (rule R4).
    """
    failure = run.failure and Failure(run.failure.step_key, run.failure.code, ERASED)
    return replace(
        run,
        trigger=replace(run.trigger, payload={}),
        resolved=Resolved(run.resolved.kind, ERASED, ERASED),
        failure=failure,
        business_key=None,
        outputs={},
        wait_events={},
        past="",
        fresh=tuple(map(_redacted_entry, history_of(run))),
    )


def _redacted_entry(entry: Entry) -> Entry:
    if "step" not in entry:
        return entry
    step = entry["step"]
    error = step["error"] and {**step["error"], "message": ERASED}
    return {"step": {**step, "input": None, "output": None, "error": error}}

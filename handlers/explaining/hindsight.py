"""What waits have to say of an event although nothing was noted: judged again afterwards (O3).

A wait that is opened after the event came looks back for it; what it refuses then leaves no
finding. Nor does a wait that was closed before the event came, nor a run that a merge ended by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from handlers.explaining.trace import Check, exit_trace, refusal_text, wait_trace
from handlers.record import run_record
from handlers.waits import arms_of, unmet_arms
from state.automation import Version
from state.moment import moment, moment_text
from state.reading import EventRow, StoredRun

Document = dict[str, Any]

#: Why an event does nothing for a wait whose arms of its name were met before it (rule W7).
ALREADY_MET = "another event had met this arm of the wait"


class RunView(NamedTuple):
    """A run and the version it is pinned to."""

    stored: StoredRun
    version: Version


def waits_of(view: RunView) -> list[Document]:
    """Return the waits of a run as its record shows them."""
    waits: Any = run_record(view.stored, view.version)["waits"]
    return list(waits)


def judged_again(
    event: EventRow, view: RunView, contact: Mapping[str, object], known: frozenset[str]
) -> Iterator[Document]:
    """Yield what a run's waits for this name say of the event; `known` are judged already."""
    if view.stored.run.trigger.key == event.key:
        return
    for wait in waits_of(view):
        if event.name not in wait["events"] or wait["step_key"] in known:
            continue
        said = _judged(event, view, wait, contact)
        if said is None:
            continue
        verdict, reason, values = said
        yield {
            "run_id": str(view.stored.run.run_id),
            "step_key": wait["step_key"],
            "verdict": verdict,
            "reason": reason,
            "values": values,
            "automation": view.stored.version.name,
        }


def started_by(event: EventRow, view: RunView) -> Iterator[Document]:
    """Yield the start of a run by an event whose findings are erased with its person (rule I5)."""
    run = view.stored.run
    if event.key != run.trigger.key or run.retried_from is not None:
        return
    never_began = run.reason == "exited_before_start"
    yield {
        "automation": view.stored.version.name,
        "verdict": "exited_before_start" if never_began else "started",
        "reason": "the run names it as its trigger; why is erased with its person",
        "run_id": str(run.run_id),
        "run_status": run.status,
        "values": [],
    }


def resumed_by(event: EventRow, view: RunView) -> Iterator[Document]:
    """Yield the waits that a run says such an event ended."""
    for wait in waits_of(view):
        if _is_named_in(wait["resumed_by_event"], event):
            yield {
                "run_id": str(view.stored.run.run_id),
                "step_key": wait["step_key"],
                "verdict": "resumed",
                "reason": "the run names it as what ended the wait; why is erased with its person",
                "values": [],
                "automation": view.stored.version.name,
            }


def ended_before_start(
    event: EventRow, view: RunView, contact: Mapping[str, object]
) -> Iterator[Document]:
    """Yield what an event did to a run that was to start, or be tried again, after it (S3)."""
    run = view.stored.run
    is_later = event.v >= run.trigger.v and event.processed_at <= run.created_at
    if run.reason != "exited_before_start" or event.key == run.trigger.key or not is_later:
        return
    trace = exit_trace(view.version, run, event, contact)
    before = f"its trigger {run.trigger.id} came"
    if run.retried_from is not None:
        before = f"run {run.retried_from} was retried"
    if trace.holds:
        yield {
            "run_id": str(run.run_id),
            "verdict": "exited",
            "reason": f"{before} after this event, so it never began",
            "values": trace.checks,
            "automation": view.stored.version.name,
        }


def ended_at_a_merge(
    event: EventRow, view: RunView, contact: Mapping[str, object]
) -> Iterator[Document]:
    """Yield what an event did to a run of somebody who turned out to be the same person (I3, S3).

    It had come under another number, and the run names it as what ended it.
    """
    run = view.stored.run
    ended_by: Any = run_record(view.stored, view.version)["ended_by"]
    if run.completed_at is None or run.reason not in ("exited_rule", "exited_goal"):
        return
    if _is_named_in(ended_by, event):
        at = moment_text(run.completed_at)
        yield {
            "run_id": str(run.run_id),
            "verdict": "exited",
            "reason": f"found by look-back when its contact was merged, {at}",
            "values": exit_trace(view.version, run, event, contact).checks,
            "automation": view.stored.version.name,
        }


_Said = tuple[str, str, list[Check]]


def _judged(
    event: EventRow, view: RunView, wait: Document, contact: Mapping[str, object]
) -> _Said | None:
    """Judge the event against one wait, in the order in which the engine does (W1, W2, W3)."""
    run = view.stored.run
    met = met_by_others(wait, event)
    trace = wait_trace(view.version, run, wait["step_key"], event, contact, met)
    if _is_closed_by(wait, event) or _is_met_by(wait, event):
        verdict = "resumed" if _is_closed_by(wait, event) else "arm_met"
        reason = f"found by look-back when the wait opened, {wait['opened_at']}"
        return verdict, reason, trace.checks
    if event.key in run.used:
        return None
    if event.v < moment(wait["floor"]):
        reason = f"it happened at {moment_text(event.v)}, before the window began: {wait['floor']}"
        return "before_window", reason, []
    is_open = wait["closed_at"] is None
    if unmet_arms(arms_of(view.version, wait["step_key"]), met, event.name):
        if not trace.holds:
            return "filter_false", refusal_text(trace.checks), trace.checks
        if wait["deadline"] is not None and event.v > moment(wait["deadline"]):
            return "after_deadline", f"it happened after the deadline, {wait['deadline']}", []
    elif is_open:
        return "already_met", ALREADY_MET, []
    return None if is_open else ("already_closed", _how_closed(wait), [])


def _is_closed_by(wait: Mapping[str, Any], event: EventRow) -> bool:
    return _is_named_in(wait["resumed_by_event"], event)


def _is_met_by(wait: Mapping[str, Any], event: EventRow) -> bool:
    return any(_is_named_in(arm["met_by"], event) for arm in wait.get("arms", ()))


def met_by_others(wait: Mapping[str, Any], event: EventRow) -> frozenset[int]:
    """Return the places of the arms that were met, but not by this event (rule W7)."""
    return frozenset(
        place
        for place, arm in enumerate(wait.get("arms", ()))
        if arm["met_by"] is not None and not _is_named_in(arm["met_by"], event)
    )


def _is_named_in(by: Mapping[str, Any] | None, event: EventRow) -> bool:
    return by is not None and event.coordinates._asdict().items() <= by.items()


def _how_closed(wait: Mapping[str, Any]) -> str:
    by = wait["resumed_by_event"]
    if by is not None:
        return f"the wait was closed by another event, {by['id']}, at {wait['closed_at']}"
    return f"the wait was closed ({wait['status']}) at {wait['closed_at']}"

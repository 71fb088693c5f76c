"""What a stored event was held against: automations, waits and exit rules, each with its why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from handlers.explaining.hindsight import (
    ALREADY_MET,
    RunView,
    ended_at_a_merge,
    ended_before_start,
    judged_again,
    met_by_others,
    resumed_by,
    started_by,
    waits_of,
)
from handlers.explaining.trace import Check, approval_text, refusal_text, trigger_trace, wait_trace
from state.event import HOPS_MAX
from state.moment import moment, moment_text
from state.reading import EventRow

Document = dict[str, Any]
Finding = Mapping[str, Any]

_REFUSALS = {
    "stopped": "the automation was stopped when the event was processed",
    "before_enabled": "the event happened before the automation was enabled",
    "once": "the contact had entered before, and re-entry is `once`",
    "one_active": "the contact was in a run of it, and re-entry is `one_active`",
    "reentry_too_soon": "the contact's last entry was too recent for its re-entry policy, or later",
    "key_absent": "the payload lacks the business key that its re-entry policy names",
    "key_active": "a run with the same business key was under way",
    "capped": "the contact had too many runs of it under way",
    "loop_limit": f"runs had caused it through more than {HOPS_MAX} hops, to stop a circle",
}


_WAIT_REFUSALS = {
    "already_met": ALREADY_MET,
    "already_kept": "the automation was paused, and the wait had kept an earlier event",
    "not_delivered": "the step delivers an event to one of its open waits only, to another",
}


class Considered(NamedTuple):
    """What an event was held against, as documents; each has a verdict and a reason."""

    automations: list[Document]
    waits: list[Document]
    exits: list[Document]

    def all(self) -> Iterator[Document]:
        """Yield everything, in the order in which the engine judges (rule D2)."""
        yield from self.exits
        yield from self.waits
        yield from self.automations


NOTHING = Considered([], [], [])


def consider(
    event: EventRow,
    runs: Mapping[UUID, RunView],
    names: Mapping[UUID, str],
    contact: Mapping[str, object],
) -> Considered:
    """Return what the event was held against.

    The findings stored with it are the truth of that moment. What they leave out is judged again:
    why a filter held, and what other waits of the contact say of it (look-back above all, W2).
    """
    found = Considered([], [], [])
    if event.is_erased:
        for view in runs.values():
            found.automations.extend(started_by(event, view))
            found.waits.extend(resumed_by(event, view))
        return found
    judge = _Judge(event, runs, names, contact)
    for finding in event.findings:
        match finding["subject"]:
            case "automation":
                found.automations.append(judge.automation(finding))
            case "wait":
                found.waits.append(judge.wait(finding))
            case "exit":
                found.exits.append(judge.exit(finding))
            case _:  # who is who is told apart
                pass
    found.waits.extend(judge.in_hindsight(found.waits))
    found.exits.extend(judge.exits_in_hindsight(found.exits))
    return found


def not_enabled(automation: str) -> Document:
    """Return the refusal of an automation that was stopped so long that nothing is kept for it."""
    return {
        "automation": automation,
        "verdict": "stopped",
        "reason": "the automation is stopped, and nothing is kept for one that has no live runs",
        "run_id": None,
        "run_status": None,
        "values": [],
    }


class _Judge:
    """Gives one event's findings their reasons, from the runs that they name."""

    def __init__(
        self,
        event: EventRow,
        runs: Mapping[UUID, RunView],
        names: Mapping[UUID, str],
        contact: Mapping[str, object],
    ) -> None:
        self._event = event
        self._runs = runs
        self._names = names
        self._contact = contact

    def automation(self, finding: Finding) -> Document:
        verdict, run_id = finding["verdict"], finding.get("run_id")
        values: list[Check] = list(finding.get("values", ()))
        view = self._view(run_id)
        if verdict == "started" and view is not None:
            values = trigger_trace(view.version, self._event, self._contact).checks
        return {
            "automation": self._name(finding),
            "verdict": verdict,
            "reason": self._why_started_or_not(finding, values) + _held_text(finding),
            "run_id": run_id,
            "run_status": None if view is None else view.stored.run.status,
            "values": values,
        }

    def wait(self, finding: Finding) -> Document:
        verdict, run_id, step_key = finding["verdict"], finding["run_id"], finding["step_key"]
        values: list[Check] = list(finding.get("values", ()))
        view = self._view(run_id)
        noted = _wait_at(view, step_key)
        if verdict in ("resumed", "arm_met") and view is not None and noted is not None:
            run, version, met = view.stored.run, view.version, met_by_others(noted, self._event)
            values = wait_trace(version, run, step_key, self._event, self._contact, met).checks
        return {
            "run_id": run_id,
            "step_key": step_key,
            "verdict": verdict,
            "reason": self._why_resumed_or_not(verdict, values, noted),
            "values": values,
            "automation": self._name(finding),
        }

    def exit(self, finding: Finding) -> Document:
        values = list(finding.get("values", ()))
        has_ended = finding["verdict"] == "exited"
        return {
            "run_id": finding["run_id"],
            "verdict": finding["verdict"],
            "reason": "its exit rule names this event" if has_ended else refusal_text(values),
            "values": values,
            "automation": self._name(finding),
        }

    def in_hindsight(self, noted: list[Document]) -> Iterator[Document]:
        for run_id, view in self._runs.items():
            known = frozenset(one["step_key"] for one in noted if one["run_id"] == str(run_id))
            yield from judged_again(self._event, view, self._contact, known)

    def exits_in_hindsight(self, noted: list[Document]) -> Iterator[Document]:
        known = {one["run_id"] for one in noted}
        for run_id, view in self._runs.items():
            if str(run_id) not in known:
                yield from ended_before_start(self._event, view, self._contact)
                yield from ended_at_a_merge(self._event, view, self._contact)

    def _view(self, run_id: str | None) -> RunView | None:
        return None if run_id is None else self._runs.get(UUID(run_id))

    def _name(self, finding: Finding) -> str:
        automation_id = finding["automation_id"]
        return self._names.get(UUID(automation_id), automation_id)

    def _why_started_or_not(self, finding: Finding, values: list[Check]) -> str:
        match str(finding["verdict"]):
            case "started":
                return approval_text(values, "its trigger names this event")
            case "filter_false":
                return refusal_text(values)
            case "too_old":
                age = self._event.processed_at - self._event.v
                return f"the event was {_span(age)} old when it was processed"
            case "exited_before_start":
                held = approval_text(values, "it names that event")
                return f"an event before it, {finding['reason']}, fulfils its exit rule: {held}"
            case verdict:
                return _REFUSALS.get(verdict, verdict)

    def _why_resumed_or_not(self, verdict: str, values: list[Check], wait: Document | None) -> str:
        v = self._event.v
        match verdict:
            case "resumed":
                return approval_text(values, "it waited for this event")
            case "arm_met":
                held = approval_text(values, "one of its arms names this event")
                return f"{held}; the wait is for all of its arms"
            case "filter_false":
                return refusal_text(values)
            case "before_window" if wait:
                return f"it happened at {moment_text(v)}, before the window began: {wait['floor']}"
            case "after_deadline" if wait and wait["deadline"]:
                late = _span(v - moment(wait["deadline"]))
                return f"it happened {late} after the deadline, {wait['deadline']}"
            case "late_arrival" if wait:
                return f"it happened in time, but came after the time-out: {wait['closed_at']}"
            case "kept":
                return _kept_text(wait, self._event)
            case _:
                return _WAIT_REFUSALS.get(verdict, verdict)


def _wait_at(view: RunView | None, step_key: str) -> Document | None:
    if view is None:
        return None
    return next((wait for wait in waits_of(view) if wait["step_key"] == step_key), None)


def _held_text(finding: Finding) -> str:
    """Return what is to be said of a start that a pause held (rule T3)."""
    is_held = finding.get("reason") == "held"
    return "; the automation was paused, so the run begins when it is released" if is_held else ""


def _kept_text(wait: Document | None, event: EventRow) -> str:
    """Return what became of an event that came while its wait's automation was paused (T3)."""
    came = "it came while the automation was paused"
    if wait is None or wait["closed_at"] is None:
        return f"{came}; the wait goes on with it when it is released"
    by = wait["resumed_by_event"]
    if by is not None and by["id"] == event.id:
        return f"{came}; the wait went on with it after the release, {wait['closed_at']}"
    return f"{came}; before it was released the run ended ({wait['status']})"


def _span(length: timedelta) -> str:
    """Return a length of time in words that fit its size."""
    seconds = length.total_seconds()
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"

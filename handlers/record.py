"""The run record: what a run was, is and did, as one document (rule R4; interface.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from handlers.waits import arms_of
from state.automation import Version
from state.contact import contact_uuid
from state.history import StepStatus, WaitEnd, history_of, wait_entry, whole
from state.moment import moment_text, optional_moment_text
from state.pausing import with_freezes
from state.reading import ActionRow, MessageRow, StoredRun
from state.run import Parked, Run, Sending, Trigger, Waiting

#: A part of a record that was written, or is about to be, as JSON.
Part = Mapping[str, Any]

#: Endings that a run reaches by its own steps; every other one comes upon it where it stands.
_OWN_ENDINGS = frozenset({"completed_end", "completed_no_branch", "failed_step"})

#: What a send step was, when its run ended before the answer came, by its message's status.
_SENT_STATUS: Mapping[str, StepStatus] = {
    "queued": "running",
    "sending": "running",
    "sent": "completed",
    "unknown": "completed",
    "failed": "failed",
}

_WAIT_KEYS = (
    "step_key",
    "events",
    "status",
    "deadline",
    "opened_at",
    "closed_at",
    "outcome_branch",
    "resumed_by_event",
    "held_for_lag",
    "late_match",
)


def run_record(stored: StoredRun, version: Version) -> dict[str, object]:
    """Return the whole record of a run; `version` is the one it is pinned to."""
    stored = as_paused(stored)
    run = stored.run
    entries = history_of(run)
    executed = [entry["step"] for entry in entries if "step" in entry]
    waits = [entry["wait"] for entry in entries if "wait" in entry]
    exits = [entry["exit"] for entry in entries if "exit" in entry]
    if isinstance(run.parked, Waiting):
        waits.append(_open_wait(run.parked, version))
    return {
        **_head(stored),
        "ended_by": exits[-1] if exits else None,
        "steps": _steps(stored, version, executed),
        "waits": [_wait(wait, stored.late) for wait in waits],
        "messages": [_message(message) for message in stored.messages],
        **_times(run),
        "retried_from": None if run.retried_from is None else str(run.retried_from),
        "retried_as": None if stored.retried_as is None else str(stored.retried_as),
        "actions": [_action(action) for action in stored.actions],
    }


def run_summary(stored: StoredRun) -> dict[str, object]:
    """Return a run's record without what it did: for lists."""
    parked = stored.run.parked
    step_key = None if parked is None else parked.step_key
    return {**_head(stored), "step_key": step_key, **_times(stored.run)}


def _head(stored: StoredRun) -> dict[str, object]:
    run = stored.run
    return {
        "id": str(run.run_id),
        "automation_id": str(run.automation_id),
        "automation_name": stored.version.name,
        "automation_version": run.version,
        "status": run.status,
        "activity": run.activity,
        **_pause(stored),
        "ended_reason": run.reason,
        "error": None if run.failure is None else run.failure.document(),
        "contact_id": str(contact_uuid(run.contact_id)),
        "resolved_identity_type": run.resolved.kind,
        "resolved_identity_value": run.resolved.value,
        "resolved_identity_path": run.resolved.path,
        "trigger_event": _trigger(run.trigger),
    }


def as_paused(stored: StoredRun) -> StoredRun:
    """Return a run with its deadline where freezes that are over have moved it (rule T3)."""
    return replace(stored, run=with_freezes(stored.run, stored.pausing, None))


def _pause(stored: StoredRun) -> dict[str, object]:
    """Return what keeps a running run from advancing, and since when (rule T3)."""
    mode, since = stored.pausing.mode, stored.pausing.since
    is_paused = stored.run.status == "running" and since is not None
    return {
        "held": mode if is_paused else None,
        "paused_since": moment_text(since) if is_paused and since else None,
    }


def _times(run: Run) -> dict[str, object]:
    return {
        "created_at": moment_text(run.created_at),
        "started_at": moment_text(run.started_at),
        "completed_at": optional_moment_text(run.completed_at),
        "updated_at": moment_text(run.updated_at),
    }


def _trigger(trigger: Trigger) -> dict[str, object]:
    return {
        "id": trigger.id,
        "event": trigger.name,
        "occurred_at": moment_text(trigger.occurred_at),
        "recorded_at": moment_text(trigger.recorded_at),
        **trigger.coordinates._asdict(),
        "payload": trigger.payload,
        **_caused(trigger),
    }


def _caused(trigger: Trigger) -> Part:
    """Return what says that a run of ours caused the trigger; nothing where none did (rule S6)."""
    if not trigger.hops and trigger.caused_by is None:
        return {}
    return {"hops": trigger.hops, "caused_by": trigger.caused_by}


def _steps(stored: StoredRun, version: Version, executed: Sequence[Part]) -> list[Part]:
    """Return the finished steps and the one the run stands at, or stood at, in graph order."""
    run = stored.run
    steps = list(executed)
    if run.parked is not None:
        steps.append(_parked_step(run.parked, version))
    elif run.status != "running" and run.reason not in _OWN_ENDINGS:
        steps += _left_step(stored, version, executed)
    place = {key: index for index, key in enumerate(version.order)}
    return sorted(steps, key=lambda step: place.get(step["key"], len(place)))


def _parked_step(parked: Parked, version: Version) -> Part:
    status: StepStatus = "running" if isinstance(parked, Sending) else "waiting"
    return {
        "key": parked.step_key,
        "type": version.steps[parked.step_key].type,
        "status": status,
        "branch_taken": None,
        "started_at": moment_text(parked.entered_at),
        "completed_at": None,
        "input": parked.input,
        "output": parked.output,
        "error": None,
    }


def _left_step(stored: StoredRun, version: Version, executed: Sequence[Part]) -> Iterable[Part]:
    """Yield the step at which a run stood when it was ended (rule R1: derived, never stored).

    A run has one cursor, so it stood where the last finished step's branch leads.
    """
    if not executed:
        return
    last = executed[-1]
    key = version.successors.get((last["key"], last["branch_taken"]))
    if key is None or stored.run.completed_at is None:
        return
    sent = {message.step_key: message.status for message in stored.messages}
    yield {
        "key": key,
        "type": version.steps[key].type,
        "status": _SENT_STATUS.get(sent.get(key, ""), "skipped"),
        "branch_taken": None,
        "started_at": last["completed_at"],
        "completed_at": moment_text(stored.run.completed_at),
        "input": None,
        "output": None,
        "error": None,
    }


def _open_wait(waiting: Waiting, version: Version) -> dict[str, Any]:
    arms = arms_of(version, waiting.step_key)
    entry: Any = wait_entry(waiting, arms, "waiting", None, WaitEnd())
    return whole(entry)["wait"]


def _wait(wait: Part, late: Mapping[str, Part]) -> Part:
    """Return a wait with the record's own keys first, and the late match that came since (W5)."""
    found = wait["late_match"] or late.get(wait["step_key"])
    late_match = None
    if found is not None:
        late_match = {
            "event_id": found["event_id"],
            "lateness_seconds": found["lateness_seconds"],
            "verdict": found["verdict"],
        }
    shown = {**wait, "late_match": late_match}
    return {key: shown[key] for key in _WAIT_KEYS} | shown


def _action(action: ActionRow) -> Part:
    """Return what an operator did with the run (rule O4)."""
    return {
        "at": moment_text(action.at),
        "who": action.who,
        "what": action.what,
        "before": action.before,
        "after": action.after,
    }


def _message(message: MessageRow) -> dict[str, object]:
    head = "subject" if message.channel == "email" else "title"
    again_at = message.next_attempt_at
    return {
        "id": str(message.message_id),
        "channel": message.channel,
        "step_key": message.step_key,
        "to": message.recipient,
        head: message.title,
        "status": message.status,
        "last_event": message.last_event,
        "created_at": moment_text(message.created_at),
        "error": message.error,
        "sent_after_cancel": message.sent_after_cancel,
        "next_attempt_at": optional_moment_text(again_at),
    }

"""A run, told to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stream import terminal

Document = Mapping[str, Any]

#: How it is said that a run's automation is paused (rule T3).
_PAUSES = {"hold": ", held", "freeze": ", frozen"}


#: What each ending means (rule R2).
_ENDINGS = {
    "completed_end": "it came to its last step's end",
    "completed_no_branch": "no connection leads on from where it came to",
    "exited_rule": "an event fulfilled one of its exit rules",
    "exited_goal": "an event reached its automation's goal",
    "failed_step": "a step failed",
    "engine_error": "the engine itself failed; the step is not to blame",
    "cancelled_operator": "an operator cancelled it",
    "cancelled_automation_deleted": "its automation was deleted, with all its runs",
    "contact_deleted": "its contact was deleted",
    "merged_duplicate": "its contact was merged with one that was in an older run",
    "expired": "it had been active for longer than runs may be",
    "exited_before_start": "an event fulfilled one of its exit rules before it began",
}


def status_text(run: Document) -> str:
    """Return how a run stands: its status, and what it does meanwhile or why it ended."""
    said = _PAUSES.get(run["held"], "")
    return f"{run['status']} ({run['activity'] or run['ended_reason']}{said})"


def tell_run(run: Document, home: str) -> None:
    """Print a run: what it is, then its steps, waits and messages.

    `home` is the id of whom its contact has become: a finished run stays under its own (rule I3).
    """
    event = run["trigger_event"]
    merged = "" if home == run["contact_id"] else f", merged since into {home}"
    terminal.heading(f"{run['automation_name']} v{run['automation_version']}: {status_text(run)}")
    facts = {
        "run": run["id"],
        "contact": f"{run['contact_id']}{merged}",
        "known by": f"{run['resolved_identity_type']} {run['resolved_identity_value']}, "
        f"{run['resolved_identity_path']}",
        "started by": _event_text(event),
        "occurred": terminal.instant(event["occurred_at"]),
        "started": terminal.instant(run["started_at"]),
        **_pause(run),
        "ended": terminal.instant(run["completed_at"]),
    }
    if run["ended_reason"] is not None:
        facts["why"] = _ENDINGS[run["ended_reason"]]
    if run["ended_by"] is not None:
        facts["ended by"] = _event_text(run["ended_by"])
    for name in ("retried_from", "retried_as"):
        if run[name] is not None:
            facts[name.replace("_", " ")] = run[name]
    if run["error"] is not None:
        error = run["error"]
        facts["error"] = f"step {error['step_key']}: {error['code']}: {error['message']}"
    terminal.print_facts(facts)
    _tell_steps(run["steps"])
    _tell_waits(run["waits"])
    _tell_messages(run["messages"])
    _tell_actions(run["actions"])


def _event_text(event: Document) -> str:
    place = f"{event['topic']}/{event['partition']}/{event['offset']}"
    return f"{event['event']} {event['id']}, {place}"


def _pause(run: Document) -> dict[str, object]:
    """Return since when a run stands still because an operator said so; nothing if it does not."""
    if run["held"] is None:
        return {}
    return {
        "paused": f"since {terminal.instant(run['paused_since'])} ({run['held']}); "
        f'waitline automations release "{run["automation_name"]}"'
    }


def _tell_steps(steps: Sequence[Document]) -> None:
    _section("Steps")
    terminal.print_table(
        ("step", "type", "status", "branch", "started", "completed"),
        [
            (
                step["key"],
                step["type"],
                step["status"],
                step["branch_taken"],
                terminal.instant(step["started_at"]),
                terminal.instant(step["completed_at"]),
            )
            for step in steps
        ],
        empty="none yet",
    )


def _tell_waits(waits: Sequence[Document]) -> None:
    if not waits:
        return
    _section("Waits")
    terminal.print_table(
        ("step", "waited for", "status", "opened", "until", "closed", "by", "remarks"),
        [
            (
                wait["step_key"],
                _waited_for(wait),
                wait["status"],
                terminal.instant(wait["opened_at"]),
                terminal.instant(wait["deadline"]),
                terminal.instant(wait["closed_at"]),
                _closed_by(wait),
                _remarks(wait),
            )
            for wait in waits
        ],
        empty="",
    )


def _waited_for(wait: Document) -> str:
    """Return the names of the events, and of several arms which were met, by what (rule W7)."""
    if "arms" not in wait:
        return ", ".join(wait["events"])
    arms = [(arm["event"], arm["met_by"]) for arm in wait["arms"]]
    return ", ".join(name if by is None else f"{name} (met by {by['id']})" for name, by in arms)


def _closed_by(wait: Document) -> str | None:
    event = wait["resumed_by_event"]
    if event is None:
        return None
    return f"{event['event']} {event['id']} of {terminal.instant(event['occurred_at'])}"


def _remarks(wait: Document) -> str:
    said = []
    if wait["held_for_lag"]:
        said.append("held for lag")
    if wait.get("fired_under_lag"):
        said.append("fired under lag")
    if wait.get("lookback_truncated"):
        said.append("look-back cut short")
    if wait.get("kept_event"):
        kept = wait["kept_event"]
        said.append(f"{kept['id']} came while paused, {terminal.instant(kept['kept_at'])}")
    if wait.get("frozen_seconds"):
        said.append(f"moved by {wait['frozen_seconds']:.1f} s of freeze")
    if wait["late_match"] is not None:
        late = wait["late_match"]
        said.append(f"{late['event_id']} came {late['lateness_seconds']:.1f} s late")
    return ", ".join(said)


def _tell_messages(messages: Sequence[Document]) -> None:
    if not messages:
        return
    _section("Messages")
    terminal.print_table(
        ("message", "channel", "step", "to", "says", "status", "last event", "remarks"),
        [
            (
                message["id"],
                message["channel"],
                message["step_key"],
                message["to"],
                message.get("subject", message.get("title")),
                message["status"],
                message["last_event"],
                _message_remarks(message),
            )
            for message in messages
        ],
        empty="",
    )


def _tell_actions(actions: Sequence[Document]) -> None:
    if not actions:
        return
    _section("What operators did")
    terminal.print_table(
        ("at", "who", "what", "why"),
        [
            (
                terminal.instant(action["at"]),
                action["who"],
                action["what"],
                (action["after"] or {}).get("why"),
            )
            for action in actions
        ],
        empty="",
    )


def _message_remarks(message: Document) -> str:
    error = message["error"]
    said = [] if error is None else [f"{error['code']}: {error['message']}"]
    if message["next_attempt_at"] is not None:
        said.append(f"tried again at {terminal.instant(message['next_attempt_at'])}")
    if message["sent_after_cancel"]:
        said.append("sent after the run had ended")
    return ", ".join(said)


def _section(title: str) -> None:
    terminal.say()
    terminal.heading(title)

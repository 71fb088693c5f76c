"""Sendrealm's words for ours, one table each. A word that has none is emitted as it is."""

from __future__ import annotations

from collections.abc import Mapping

#: A run's status, by what it does meanwhile or else by how it ended.
RUN_STATUS: Mapping[str, str] = {
    "executing": "running",
    "sending": "running",
    "waiting": "waiting",
    "delayed": "waiting",
    "awaiting_approval": "waiting",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}

#: Step types that are called differently here.
STEP_TYPE: Mapping[str, str] = {
    "send_email": "send_email_template",
    "send_push": "send_push_template",
    "add_to_segment": "add_to_audience",
    "remove_from_segment": "remove_from_audience",
}

#: Branches that are called differently here; an arm's own branch keeps its name.
BRANCH: Mapping[str, str] = {
    "default": "next",
    "event_received": "received",
    "timeout": "timeout",
    "condition_met": "true",
    "condition_not_met": "false",
}

#: What a message is; one whose answer was lost, or that was skipped, says so in our word.
MESSAGE_STATUS: Mapping[str, str] = {"sending": "queued"}

#: What was last heard of a message, by the last word of the event's name.
LAST_EVENT: Mapping[str, str] = {
    "sent": "send",
    "delivered": "delivery",
    "opened": "open",
    "clicked": "click",
    "bounced": "bounce",
    "complained": "complaint",
}

#: Step types that choose between branches; on others none is shown as taken.
BRANCHING = frozenset({"condition", "wait_for_event"})

OUR_STEP_TYPE: Mapping[str, str] = {theirs: ours for ours, theirs in STEP_TYPE.items()}
OUR_BRANCH: Mapping[str, str] = {theirs: ours for ours, theirs in BRANCH.items()}


def worded(table: Mapping[str, str], word: str) -> str:
    """Return the word of a table, or the same word where the table has none."""
    return table.get(word, word)

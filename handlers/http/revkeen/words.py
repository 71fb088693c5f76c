"""RevKeen's words for ours, one table each. Step types and step statuses are the same."""

from __future__ import annotations

from collections.abc import Mapping

#: A run's status, by what it does meanwhile or else by how it ended.
RUN_STATUS: Mapping[str, str] = {
    "executing": "running",
    "sending": "running",
    "waiting": "running",
    "delayed": "running",
    "awaiting_approval": "waiting_approval",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}

#: A run that was asked for and has not begun.
QUEUED = "queued"

#: The events that manual runs start from have names of this beginning, one for each automation.
MANUAL = "waitline.manual:"


def manual_event(automation_name: str) -> str:
    """Return the event that starts a run of this automation only: names are unique."""
    return f"{MANUAL}{automation_name}"


def source_of(event_name: str) -> str:
    """Return what started runs of such a trigger: an event, or somebody by hand."""
    return "manual" if event_name.startswith(MANUAL) else "event"

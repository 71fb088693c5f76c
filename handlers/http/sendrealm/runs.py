"""The run record in Sendrealm's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from handlers.http.derived_ids import step_id, version_id, wait_id
from handlers.http.rendering import Part, milliseconds, optional_milliseconds
from handlers.http.sendrealm.documents import RunDetail, RunItem
from handlers.http.sendrealm.words import (
    BRANCH,
    BRANCHING,
    LAST_EVENT,
    MESSAGE_STATUS,
    RUN_STATUS,
    STEP_TYPE,
    worded,
)

#: What each channel calls its messages: the key below a step, the key of the run, and the headline.
_CHANNELS = {
    "email": ("linked_emails", "sent_emails", "subject"),
    "push": ("linked_push_notifications", "sent_push_notifications", "title"),
}
_SENDING = {"send_email": "email", "send_push": "push"}


def run_detail(record: Part) -> dict[str, Any]:
    """Return the `data` of `GET /automation-runs/:id`, from a whole run record."""
    parts = _Parts.of(record)
    sent = {
        many: [
            {**parts.message(message), "automation_step_key": message["step_key"]}
            for message in record["messages"]
            if message["channel"] == channel
        ]
        for channel, (_, many, _) in _CHANNELS.items()
    }
    event = record["trigger_event"]
    detail = RunDetail.model_validate(
        {
            **_head(record),
            "trigger_event": {**_event(event), "payload": event["payload"]},
            "steps": [parts.step(step) for step in record["steps"] if step["type"] != "trigger"],
            "waits": [parts.wait(wait) for wait in record["waits"]],
            **sent,
        }
    )
    return detail.rendered()


def run_item(summary: Part) -> dict[str, Any]:
    """Return one element of `GET /automations/:id/runs`, from a run's summary or whole record."""
    event = _event(summary["trigger_event"])
    return RunItem.model_validate({**_head(summary), "trigger_event": event}).rendered()


def _head(record: Part) -> dict[str, object]:
    error = record["error"]
    return {
        "id": record["id"],
        "automation_id": record["automation_id"],
        "automation_version_id": version_id(record["automation_id"], record["automation_version"]),
        "trigger_event_name": record["trigger_event"]["event"],
        "resolved_identity_type": record["resolved_identity_type"],
        "resolved_identity_value": record["resolved_identity_value"],
        "status": RUN_STATUS[record["activity"] or record["status"]],
        "last_error": None if error is None else error["message"],
        "created_at": milliseconds(record["created_at"]),
        "started_at": optional_milliseconds(record["started_at"]),
        "completed_at": optional_milliseconds(record["completed_at"]),
        "updated_at": milliseconds(record["updated_at"]),
    }


def _event(event: Part) -> dict[str, object]:
    return {
        "id": event["id"],
        "event_name": event["event"],
        "occurred_at": milliseconds(event["occurred_at"]),
    }


class _Parts(Struct, frozen=True):
    """Renders the parts of one run; `types` and `templates` are by step key."""

    record: Part
    types: Mapping[str, str]
    templates: Mapping[str, str]

    @classmethod
    def of(cls, record: Part) -> _Parts:
        steps = record["steps"]
        said = {
            step["key"]: {**(step["input"] or {}), **(step["output"] or {})}
            for step in steps
            if step["type"] in _SENDING
        }
        return cls(
            record,
            {step["key"]: step["type"] for step in steps},
            {key: one["template"]["id"] for key, one in said.items() if "template" in one},
        )

    def step(self, step: Part) -> dict[str, object]:
        """Return a step; what belongs to other types, or did not happen, is left out."""
        key, kind, branch = step["key"], step["type"], step["branch_taken"]
        shown: dict[str, object] = {
            "id": step_id(self.record["id"], key),
            "step_key": key,
            "step_type": worded(STEP_TYPE, kind),
            "status": step["status"],
            "started_at": optional_milliseconds(step["started_at"]),
            "completed_at": optional_milliseconds(step["completed_at"]),
        }
        if kind in BRANCHING and branch is not None:
            shown["branch_taken"] = worded(BRANCH, branch)
        if kind in _SENDING:
            shown[_CHANNELS[_SENDING[kind]][0]] = [
                {**self.message(message), "contact_id": self.record["contact_id"]}
                for message in self.record["messages"]
                if message["step_key"] == key
            ]
        if kind == "wait_for_event":
            shown["waits"] = [
                self.wait(wait) for wait in self.record["waits"] if wait["step_key"] == key
            ]
        if step["error"] is not None:
            shown["last_error"] = step["error"]["message"]
        return shown

    def wait(self, wait: Part) -> dict[str, object]:
        """Return a wait; one for several events names them all, joined by commas."""
        run_id, key, status = self.record["id"], wait["step_key"], wait["status"]
        closed_at = optional_milliseconds(wait["closed_at"])
        branch, event = wait["outcome_branch"], wait["resumed_by_event"]
        shown: dict[str, object] = {
            "id": wait_id(run_id, key),
            "step_id": step_id(run_id, key),
            "step_key": key,
            "step_type": worded(STEP_TYPE, self.types.get(key, "wait_for_event")),
            "waiting_for_event_name": ", ".join(wait["events"]),
            "status": status,
            "resolved_identity_value": self.record["resolved_identity_value"],
            "timeout_at": optional_milliseconds(wait["deadline"]),
            "resumed_at": closed_at if status == "received" else None,
            "timed_out_at": closed_at if status == "timed_out" else None,
            "outcome_branch": None if branch is None else worded(BRANCH, branch),
        }
        if event is not None:
            shown["resumed_by_event"] = _event(event)
        return shown

    def message(self, message: Part) -> dict[str, object]:
        """Return what both projections of a message share."""
        headline = _CHANNELS[message["channel"]][2]
        return {
            "id": message["id"],
            headline: message[headline],
            "status": worded(MESSAGE_STATUS, message["status"]),
            "last_event": _last_event(message),
            "template_version_id": self.templates.get(message["step_key"]),
            "created_at": milliseconds(message["created_at"]),
        }


def _last_event(message: Part) -> str | None:
    """Return what was last heard of a message; that it was sent is the first thing heard."""
    heard = message["last_event"]
    if heard is None:
        return LAST_EVENT["sent"] if message["status"] == "sent" else None
    return worded(LAST_EVENT, heard.replace(":", ".").rpartition(".")[2])

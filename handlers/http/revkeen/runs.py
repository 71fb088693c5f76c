"""The run record in RevKeen's words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from handlers.http.derived_ids import step_id, version_id
from handlers.http.rendering import Part, milliseconds, optional_milliseconds
from handlers.http.revkeen.automations import status_of, traits_of
from handlers.http.revkeen.documents import RunDetail, RunItem, RunQueued
from handlers.http.revkeen.manual import sent_payload
from handlers.http.revkeen.words import QUEUED, RUN_STATUS, source_of
from state.moment import moment
from state.postgres.automations import AutomationRow

_MILLISECOND = timedelta(milliseconds=1)


def run_detail(record: Part, row: AutomationRow, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `data` of `GET /automations/{id}/runs/{runId}`, from a whole run record.

    `definition` is that of the version which the run is pinned to, `row` its automation as it is.
    """
    steps = [step for step in record["steps"] if step["type"] != "trigger"]
    version = version_id(record["automation_id"], record["automation_version"])
    return RunDetail.model_validate(
        {
            **_head(record),
            "automation_version_id": version,
            "thread_id": None,
            "trigger_payload": _trigger_payload(record["trigger_event"]),
            "version": {
                "id": version,
                "version": record["automation_version"],
                "objective": traits_of(definition).objective,
            },
            "automation": _automation(row, definition),
            "steps": [_step(record["id"], index, step) for index, step in enumerate(steps)],
            "approvals": [],
            "notifications": [],
        }
    ).rendered()


def run_item(summary: Part) -> dict[str, Any]:
    """Return one element of `GET /automations/{id}/runs`, from a run's summary or whole record."""
    return RunItem.model_validate(_head(summary)).rendered()


def run_queued(run_id: UUID, automation_id: UUID, event_id: str) -> dict[str, Any]:
    """Return the answer to a manual run; the job is the event that starts it."""
    return RunQueued(
        id=run_id,
        object="automation_run",
        status=QUEUED,
        automation_id=automation_id,
        job_id=event_id,
    ).rendered()


def _head(record: Part) -> dict[str, object]:
    error = record["error"]
    return {
        "id": record["id"],
        "object": "automation_run",
        "automation_id": record["automation_id"],
        "automation_name": record["automation_name"],
        "status": RUN_STATUS[record["activity"] or record["status"]],
        "trigger_source": source_of(record["trigger_event"]["event"]),
        "summary": None,
        "error_message": None if error is None else error["message"],
        "created_at": milliseconds(record["created_at"]),
        "started_at": optional_milliseconds(record["started_at"]),
        "completed_at": optional_milliseconds(record["completed_at"]),
    }


def _trigger_payload(event: Part) -> Any:
    payload = event["payload"]
    return sent_payload(payload) if source_of(event["event"]) == "manual" else payload


def _automation(row: AutomationRow, definition: Mapping[str, Any]) -> dict[str, object]:
    traits = traits_of(definition)
    return {
        "id": row.automation_id,
        "name": row.name,
        "status": status_of(row),
        "trigger_type": traits.trigger_type,
        "risk_profile": traits.risk_profile,
    }


def _step(run_id: str, index: int, step: Part) -> dict[str, object]:
    return {
        "id": step_id(run_id, step["key"]),
        "step_index": index,
        "step_type": step["type"],
        "name": step["key"],
        "status": step["status"],
        "input_json": step["input"],
        "output_json": step["output"],
        "duration_ms": _duration(step),
        "created_at": milliseconds(step["started_at"]),
    }


def _duration(step: Part) -> int | None:
    """Return how long a step took, None while it has not ended."""
    if step["completed_at"] is None:
        return None
    return (moment(step["completed_at"]) - moment(step["started_at"])) // _MILLISECOND

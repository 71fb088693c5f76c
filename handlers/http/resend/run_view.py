"""Runs as Resend shows them, drawn from the run record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from handlers.http.resend.instants import instant, optional_instant, with_instants
from handlers.http.resend.step_types import StepType, step_type
from state.postgres.run_pages import RunRow

#: What every client accepts, and Java's and Rust's nothing else.
RunStatus = Literal["running", "completed", "failed", "cancelled"]
StepStatus = Literal["pending", "running", "completed", "failed", "skipped", "waiting"]


class RunItem(BaseModel):
    """A run in a list."""

    id: UUID
    status: RunStatus
    started_at: str | None
    completed_at: str | None
    created_at: str


class StepView(BaseModel):
    """A step that was executed; `waitline_type` is ours, where Resend has no such type."""

    key: str
    type: StepType
    waitline_type: str
    status: StepStatus
    started_at: str | None
    completed_at: str | None
    output: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: str


class TriggerView(BaseModel):
    """What started the run; Rust's client knows it."""

    event_name: str
    payload: dict[str, Any]


class RunView(RunItem):
    """A run with its steps in graph order; all from `trigger` on is beyond Resend."""

    object: Literal["automation_run"] = "automation_run"
    steps: list[StepView]
    trigger: TriggerView
    contact_id: UUID
    resolved_identity_type: str
    resolved_identity_value: str
    waits: list[dict[str, Any]]
    ended_reason: str | None


class RunCancelled(BaseModel):
    """The run has ended."""

    object: Literal["automation_run"] = "automation_run"
    id: UUID
    status: Literal["cancelled"] = "cancelled"


class RunRetried(BaseModel):
    """The new run, and which one it tries again."""

    object: Literal["automation_run"] = "automation_run"
    id: UUID
    retried_from: UUID


def run_item(row: RunRow) -> RunItem:
    """Return a run for a list."""
    return RunItem.model_validate(
        {
            "id": row.run_id,
            "status": row.status,
            "started_at": instant(row.started_at),
            "completed_at": optional_instant(row.completed_at),
            "created_at": instant(row.created_at),
        }
    )


def run_view(record: Mapping[str, Any]) -> RunView:
    """Return the run that a record tells of."""
    trigger = record["trigger_event"]
    return RunView.model_validate(
        {
            "id": record["id"],
            "status": record["status"],
            "started_at": optional_instant(record["started_at"]),
            "completed_at": optional_instant(record["completed_at"]),
            "created_at": instant(record["created_at"]),
            "steps": [_step(step) for step in record["steps"]],
            "trigger": {"event_name": trigger["event"], "payload": trigger["payload"]},
            "contact_id": record["contact_id"],
            "resolved_identity_type": record["resolved_identity_type"],
            "resolved_identity_value": record["resolved_identity_value"],
            "waits": [with_instants(wait) for wait in record["waits"]],
            "ended_reason": record["ended_reason"],
        }
    )


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": step["key"],
        "type": step_type(step["type"]),
        "waitline_type": step["type"],
        "status": step["status"],
        "started_at": optional_instant(step["started_at"]),
        "completed_at": optional_instant(step["completed_at"]),
        "output": step["output"],
        "error": step["error"],
        "created_at": instant(step["started_at"]),
    }

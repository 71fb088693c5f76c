"""The documents of RevKeen's run and approval routes, field by field; every key is always there."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from handlers.http.rendering import Document, Moment


class RunItem(Document):
    """A run in a list."""

    id: UUID
    object: Literal["automation_run"]
    automation_id: UUID
    automation_name: str
    status: str
    trigger_source: str
    summary: str | None
    error_message: str | None
    created_at: Moment
    started_at: Moment | None
    completed_at: Moment | None


class RunVersion(Document):
    """The version that a run is pinned to."""

    id: UUID
    version: int
    objective: str | None


class RunAutomation(Document):
    """The automation of a run: as it stands now, and of what kind it was in the run's version."""

    id: UUID
    name: str
    status: str
    trigger_type: str
    risk_profile: str


class Step(Document):
    """A step that a run executed; the trigger is none."""

    id: UUID
    step_index: int
    step_type: str
    name: str
    status: str
    input_json: Any
    output_json: Any
    duration_ms: int | None
    created_at: Moment


class _Approval(Document):
    id: UUID
    status: str
    action_summary: str
    actions_json: Any
    approved_by_user_id: UUID | None
    approved_at: Moment | None
    rejection_reason: str | None
    created_at: Moment
    updated_at: Moment


class Approval(_Approval):
    """An approval, within its run."""


class ApprovalItem(_Approval):
    """An approval in a list."""

    object: Literal["automation_approval"]
    run_id: UUID
    automation_id: UUID
    automation_name: str
    run_status: str
    trigger_source: str


class Notification(Document):
    """What people were told of a run."""

    id: UUID
    type: str
    priority: str
    message: str
    payload_json: Any
    delivered_at: Moment | None
    created_at: Moment


class RunDetail(RunItem):
    """A run with every step; approvals and notifications as far as its record has any."""

    automation_version_id: UUID
    thread_id: UUID | None
    trigger_payload: Any
    version: RunVersion
    automation: RunAutomation
    steps: list[Step]
    approvals: list[Approval]
    notifications: list[Notification]


class RunQueued(Document):
    """The answer to a manual run."""

    id: UUID
    object: Literal["automation_run"]
    status: str
    automation_id: UUID
    job_id: str


class ApprovalDecision(Document):
    """The answer to an approval or a rejection."""

    approval_id: UUID
    run_id: UUID
    status: str


class Rejection(BaseModel):
    """The body of a rejection; the reason is told with it."""

    reason: str | None = None

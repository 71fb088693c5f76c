"""The documents of Sendrealm's run routes, field by field."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from handlers.http.rendering import Document, Moment, omitted


class TriggerEventItem(Document):
    """The event that started a run, as lists name it."""

    id: str
    event_name: str
    occurred_at: Moment


class TriggerEvent(TriggerEventItem):
    """The event that started a run."""

    payload: dict[str, Any]


class ResumingEvent(Document):
    """The event that a wait received."""

    id: str
    event_name: str
    occurred_at: Moment


class Wait(Document):
    """A wait of a run, open or closed; `resumed_by_event` only where it received one."""

    id: UUID
    step_id: UUID
    step_key: str
    step_type: str
    waiting_for_event_name: str
    status: str
    resolved_identity_value: str
    timeout_at: Moment | None
    resumed_at: Moment | None
    timed_out_at: Moment | None
    outcome_branch: str | None
    resumed_by_event: ResumingEvent = omitted()


class _Message(Document):
    id: UUID
    status: str
    last_event: str | None
    template_version_id: str | None
    created_at: Moment


class LinkedEmail(_Message):
    """An e-mail, below the step that sent it."""

    subject: str | None
    contact_id: UUID


class LinkedPush(_Message):
    """A push notification, below the step that sent it."""

    title: str | None
    contact_id: UUID


class SentEmail(_Message):
    """An e-mail, among all of the run."""

    subject: str | None
    automation_step_key: str


class SentPush(_Message):
    """A push notification, among all of the run."""

    title: str | None
    automation_step_key: str


class Step(Document):
    """A step that a run executed, with what belongs to its type only."""

    id: UUID
    step_key: str
    step_type: str
    status: str
    started_at: Moment | None
    completed_at: Moment | None
    branch_taken: str = omitted()
    linked_emails: list[LinkedEmail] = omitted()
    linked_push_notifications: list[LinkedPush] = omitted()
    waits: list[Wait] = omitted()
    last_error: str = omitted()


class _Run(Document):
    id: UUID
    automation_id: UUID
    automation_version_id: UUID
    trigger_event_name: str
    resolved_identity_type: str
    resolved_identity_value: str
    status: str
    last_error: str | None
    created_at: Moment
    started_at: Moment | None
    completed_at: Moment | None
    updated_at: Moment


class RunItem(_Run):
    """A run in a list: what it is, without what it did."""

    trigger_event: TriggerEventItem


class RunDetail(_Run):
    """A run with every step, wait and message; waits and messages also below their steps."""

    trigger_event: TriggerEvent
    steps: list[Step]
    waits: list[Wait]
    sent_emails: list[SentEmail]
    sent_push_notifications: list[SentPush]

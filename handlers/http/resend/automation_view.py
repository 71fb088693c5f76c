"""Automations as Resend shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from handlers.http.resend.instants import instant
from handlers.http.resend.step_types import StepType, step_type
from handlers.http.resend.wait_names import named
from state.postgres.automations import AutomationRow

Status = Literal["enabled", "disabled"]


class AutomationItem(BaseModel):
    """An automation in a list."""

    id: UUID
    name: str
    status: Status
    created_at: str
    updated_at: str


class StepView(BaseModel):
    """A step as it was drawn; `waitline_type` is ours, where Resend has no such type."""

    key: str
    type: StepType
    waitline_type: str
    config: dict[str, Any]


class ConnectionView(BaseModel):
    """A connection; its type is always there."""

    model_config = ConfigDict(populate_by_name=True)

    source: str = Field(alias="from")
    to: str
    type: str


class AutomationView(AutomationItem):
    """An automation with its graph."""

    object: Literal["automation"] = "automation"
    steps: list[StepView]
    connections: list[ConnectionView]


class AutomationNamed(BaseModel):
    """Which automation was created or changed."""

    object: Literal["automation"] = "automation"
    id: UUID


class AutomationStopped(AutomationNamed):
    """The automation starts nothing."""

    status: Literal["disabled"] = "disabled"


class AutomationDeleted(AutomationNamed):
    """The automation is gone."""

    deleted: Literal[True] = True


def automation_item(row: AutomationRow) -> AutomationItem:
    """Return an automation for a list."""
    return AutomationItem(**_head(row))


def automation_view(row: AutomationRow, definition: Mapping[str, Any]) -> AutomationView:
    """Return an automation with the graph of its current version."""
    return AutomationView(
        **_head(row),
        steps=[
            StepView(
                key=step["key"],
                type=step_type(step["type"]),
                waitline_type=step["type"],
                config=named(step["config"]),
            )
            for step in definition["steps"]
        ],
        connections=[
            ConnectionView(source=each["from"], to=each["to"], type=each["type"])
            for each in definition["connections"]
        ],
    )


def _head(row: AutomationRow) -> dict[str, Any]:
    return {
        "id": row.automation_id,
        "name": row.name,
        "status": "enabled" if row.is_enabled else "disabled",
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
    }

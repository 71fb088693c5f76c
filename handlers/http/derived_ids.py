"""Ids for what the run record names by a key: the same on every reading, and in every dialect."""

from __future__ import annotations

from uuid import UUID

from state.ids import name_uuid

#: The namespace of these ids. Never change it: clients keep them.
PART_NAMESPACE = UUID("a2c4e0d7-53b1-5f0a-8f7e-6b0d9c1e4a35")


def step_id(run_id: str, step_key: str) -> UUID:
    """Return the id of a step as one run executed it: at most once, as no graph has a cycle."""
    return name_uuid(PART_NAMESPACE, f"step:{run_id}:{step_key}")


def wait_id(run_id: str, step_key: str) -> UUID:
    """Return the id of the wait that a step of a run opened."""
    return name_uuid(PART_NAMESPACE, f"wait:{run_id}:{step_key}")


def version_id(automation_id: str, number: int) -> UUID:
    """Return the id of a published version of an automation."""
    return name_uuid(PART_NAMESPACE, f"version:{automation_id}:{number}")


def variable_id(template_id: UUID, key: str) -> UUID:
    """Return the id of a variable that a template declares."""
    return name_uuid(PART_NAMESPACE, f"variable:{template_id}:{key}")

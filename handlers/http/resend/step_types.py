"""Types of steps as Resend's clients know them: eight, and Java's and Rust's refuse any other."""

from __future__ import annotations

from typing import Literal, get_args

StepType = Literal[
    "trigger",
    "send_email",
    "delay",
    "wait_for_event",
    "condition",
    "contact_update",
    "contact_delete",
    "add_to_segment",
]

#: The nearest of them for each type that is ours alone: what sends has a template, what changes a
#: contact needs no key in its configuration. The extra key `waitline_type` tells the real one.
_NEAREST: dict[str, StepType] = {
    "send_push": "send_email",
    "remove_from_segment": "contact_update",
    "set_topic_subscription": "contact_update",
}

_KNOWN: dict[str, StepType] = {known: known for known in get_args(StepType)}


def step_type(ours: str) -> StepType:
    """Return the type that stands for one of ours."""
    return (_KNOWN | _NEAREST)[ours]

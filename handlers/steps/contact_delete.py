"""A contact deletion: the person goes, and with them all their runs."""

from __future__ import annotations

from handlers.decision import Delete, Outcome, Turn
from handlers.step import StepConfig, no_arms, unexpected
from state.automation import DEFAULT_BRANCH

TYPE = "contact_delete"
BRANCHES = (DEFAULT_BRANCH,)


class Config(StepConfig):
    """There is nothing to configure."""


arms = no_arms


def enter(_turn: Turn) -> Outcome:
    """Delete the contact: runs end `contact_deleted`, what is about the person is erased (I5)."""
    return Delete()


resume = unexpected

"""The trigger: the event that starts a run."""

from __future__ import annotations

from pydantic import Field

from handlers.decision import GoTo, Outcome, Turn
from handlers.step import EventName, RuleTree, StepConfig, unexpected
from state.automation import DEFAULT_BRANCH, Arm

TYPE = "trigger"
BRANCHES = (DEFAULT_BRANCH,)


class Config(StepConfig):
    """The name of the event, and what must hold of it (rule S1)."""

    event_name: EventName
    filter: RuleTree | None = Field(default=None, alias="filter_rule")


def arms(config: Config) -> tuple[Arm, ...]:
    """Return the one event that starts a run."""
    return (Arm(config.event_name, config.filter, DEFAULT_BRANCH),)


def enter(_turn: Turn) -> Outcome:
    """Go on at once: what the trigger listens for has happened."""
    return GoTo()


resume = unexpected

"""A delay: the run sleeps for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from handlers.decision import Cause, Elapsed, GoTo, Outcome, Sleep, Turn
from handlers.step import Duration, StepConfig, config_of, no_arms, unexpected
from state.automation import DEFAULT_BRANCH

TYPE = "delay"
BRANCHES = (DEFAULT_BRANCH,)


class Config(StepConfig):
    """How long to sleep."""

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"seconds": "duration"}

    duration: Duration


arms = no_arms


def enter(turn: Turn) -> Outcome:
    """Sleep until the duration has passed since now."""
    until = turn.now + config_of(turn, Config).duration
    return Sleep(until, until <= turn.now, {"duration": turn.step.raw_config["duration"]})


def resume(turn: Turn, cause: Cause) -> Outcome:
    """Go on."""
    return GoTo() if isinstance(cause, Elapsed) else unexpected(turn, cause)

"""A delay: the run sleeps for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from handlers.decision import Cause, Elapsed, GoTo, Outcome, Sleep, Turn
from handlers.reckoning import later
from handlers.step import StepConfig, WrittenDuration, config_of, no_arms, unexpected
from state.automation import DEFAULT_BRANCH

TYPE = "delay"
BRANCHES = (DEFAULT_BRANCH,)


class Config(StepConfig):
    """How long to sleep."""

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"seconds": "duration"}

    duration: WrittenDuration


arms = no_arms


def enter(turn: Turn) -> Outcome:
    """Sleep until the duration has passed since now."""
    until, said = later(turn, config_of(turn, Config).duration, "until")
    return Sleep(
        until, until <= turn.now, {"duration": turn.step.raw_config["duration"]}, said or None
    )


def resume(turn: Turn, cause: Cause) -> Outcome:
    """Go on."""
    return GoTo() if isinstance(cause, Elapsed) else unexpected(turn, cause)

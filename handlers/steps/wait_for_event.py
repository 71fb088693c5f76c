"""A wait: the run parks until an event of its contact comes, or until a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, model_validator

from handlers.decision import Cause, GoTo, Matched, Outcome, TimedOut, Turn, Wait
from handlers.step import (
    Duration,
    EventName,
    RuleTree,
    StepConfig,
    config_of,
    unexpected,
)
from state.automation import Arm
from state.duration import DurationError, parse_duration
from state.problem import Problem, ProblemsError

TYPE = "wait_for_event"
BRANCHES = ("event_received", "timeout")

_NOT_YET = ("any_of", "all_of")


def _parse_since(raw: object) -> str | timedelta:
    if isinstance(raw, str) and raw in ("previous_step", "now"):
        return raw
    try:
        return parse_duration(raw)
    except DurationError:
        fix = "write `previous_step`, `now`, or a duration such as `2 hours`"
        raise DurationError([Problem("", f"{raw!r:.40} cannot be used", fix)]) from None


class Config(StepConfig):
    """What to wait for, how long, and from when on events count (rules W1 to W3, W6)."""

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"timeout_seconds": "timeout"}

    event_name: EventName
    timeout: Duration | None = None
    filter: RuleTree | None = Field(default=None, alias="filter_rule")
    since: Annotated[str | timedelta, PlainValidator(_parse_since)] | None = None
    deliver: Literal["all", "oldest", "newest"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_several_events(cls, raw: Mapping[str, object]) -> Mapping[str, object]:
        for key in _NOT_YET:
            if raw.get(key) is not None:
                fix = "wait for one event, with `event_name`"
                raise ProblemsError([Problem(key, "is not supported yet", fix)])
        return raw


def arms(config: Config) -> tuple[Arm, ...]:
    """Return the one event that is waited for."""
    return (Arm(config.event_name, config.filter, "event_received", config.deliver or "all"),)


def enter(turn: Turn) -> Outcome:
    """Park, with the deadline counted from now and the floor of the look-back."""
    config = config_of(turn, Config)
    deadline = None if config.timeout is None else turn.now + config.timeout
    return Wait(deadline, _floor(turn, config.since), turn.step.raw_config)


def resume(turn: Turn, cause: Cause) -> Outcome:
    """Follow the branch of the event that came, or that of the timeout (rule W8)."""
    match cause:
        case Matched(event_name, payload, branch):
            return GoTo(branch, {"event": event_name, "payload": payload})
        case TimedOut():
            return GoTo("timeout")
        case _:
            return unexpected(turn, cause)


def _floor(turn: Turn, since: str | timedelta | None) -> datetime:
    if isinstance(since, timedelta):
        return turn.now - since
    if since == "now":
        return turn.now
    return turn.previous_at if since == "previous_step" else turn.started_from

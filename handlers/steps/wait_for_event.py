"""A wait: the run parks until an event of its contact comes, or until a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, model_validator

from handlers.decision import Cause, GoTo, Matched, Outcome, TimedOut, Turn, Wait
from handlers.reckoning import Reckoned, earlier, later
from handlers.step import (
    EventName,
    RuleTree,
    StepConfig,
    WrittenDuration,
    config_of,
    unexpected,
)
from state.automation import Arm
from state.duration import Duration, DurationError, parse_duration
from state.problem import Problem, ProblemsError

TYPE = "wait_for_event"
BRANCHES = ("event_received", "timeout")

_NOT_YET = ("any_of", "all_of")


def _parse_since(raw: object) -> str | Duration:
    if isinstance(raw, str) and raw in ("previous_step", "now"):
        return raw
    try:
        return parse_duration(raw)
    except DurationError as error:
        (refused,) = error.problems
        fix = f"{refused.fix}; or write `previous_step` or `now`"
        raise DurationError([refused._replace(fix=fix)]) from None


class Config(StepConfig):
    """What to wait for, how long, and from when on events count (rules W1 to W3, W6)."""

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"timeout_seconds": "timeout"}

    event_name: EventName
    timeout: WrittenDuration | None = None
    filter: RuleTree | None = Field(default=None, alias="filter_rule")
    since: Annotated[str | Duration, PlainValidator(_parse_since)] | None = None
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
    floor, said = _floor(turn, config.since)
    if config.timeout is None:
        return Wait(None, floor, turn.step.raw_config, said or None)
    deadline, also_said = later(turn, config.timeout, "deadline")
    return Wait(deadline, floor, turn.step.raw_config, {**said, **also_said} or None)


def resume(turn: Turn, cause: Cause) -> Outcome:
    """Follow the branch of the event that came, or that of the timeout (rule W8)."""
    match cause:
        case Matched(event_name, payload, branch):
            return GoTo(branch, {"event": event_name, "payload": payload})
        case TimedOut():
            return GoTo("timeout")
        case _:
            return unexpected(turn, cause)


def _floor(turn: Turn, since: str | Duration | None) -> Reckoned:
    if isinstance(since, Duration):
        return earlier(turn, since, "since")
    if since == "now":
        return Reckoned(turn.now, {})
    return Reckoned(turn.previous_at if since == "previous_step" else turn.started_from, {})

"""A wait: the run parks until an event of its contact comes, or until a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, model_validator

from handlers.arms import DrawnArm, parse_all_of, parse_any_of
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
from state.problem import Collector
from state.wall_clock import longest_in_days

TYPE = "wait_for_event"
RECEIVED, TIMEOUT = "event_received", "timeout"
BRANCHES = (RECEIVED, TIMEOUT)


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
    """What to wait for, how long, and from when on events count (rules W1 to W3, W6, W7).

    Either `event_name` says for what, or the arms that `any_of` or `all_of` lists.
    """

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"timeout_seconds": "timeout"}
    BRANCHED_BY: ClassVar[frozenset[str]] = frozenset({"any_of", "all_of"})

    event_name: EventName | None
    any_of: Annotated[list[DrawnArm], PlainValidator(parse_any_of)] | None = None
    all_of: Annotated[list[DrawnArm], PlainValidator(parse_all_of)] | None = None
    timeout: WrittenDuration | None = None
    filter: RuleTree | None = Field(default=None, alias="filter_rule")
    since: Annotated[str | Duration, PlainValidator(_parse_since)] | None = None
    deliver: Literal["all", "oldest", "newest"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_two_ways(cls, raw: Mapping[str, object]) -> Mapping[str, object]:
        """Refuse what is waited for in two ways at once; arms replace `event_name` (rule W7)."""
        lists = [key for key in ("any_of", "all_of") if raw.get(key) is not None]
        if not lists:
            # Null means absent, and without arms the name is needed.
            return {key: raw[key] for key in raw if (key, raw[key]) != ("event_name", None)}
        found = Collector()
        for key in ("event_name", "filter_rule"):
            if raw.get(key) is not None:
                fix = f"write it in each arm of `{lists[0]}`"
                found.refuse(key, f"cannot stand beside `{lists[0]}`", fix)
        if len(lists) > 1:
            fix = "keep one: `any_of` waits for one of its arms, `all_of` for each"
            found.refuse("all_of", "cannot stand beside `any_of`", fix)
        found.check()
        return {"event_name": None, **raw}


def arms(config: Config) -> tuple[Arm, ...]:
    """Return the events that are waited for, in declared order; `all_of` has one branch (W7)."""
    deliver = config.deliver or "all"
    if config.event_name is not None:
        return (Arm(config.event_name, config.filter, RECEIVED, deliver),)
    group: Literal["any_of", "all_of"] = "all_of" if config.any_of is None else "any_of"
    return tuple(
        Arm(arm.event_name, arm.filter, arm.branch or RECEIVED, deliver, group, place)
        for place, arm in enumerate(config.any_of or config.all_of or ())
    )


def branches_of(config: Config) -> tuple[str, ...]:
    """Return the branches of the arms, and that of the timeout (rules W7, W8)."""
    return (*dict.fromkeys(arm.branch for arm in arms(config)), TIMEOUT)


def span_of(config: Config) -> timedelta:
    """Return how far before its own entering a wait looks at most; 0: it counts from elsewhere.

    A span by the calendar is as long as it can be anywhere, with a day for what clocks do.
    """
    since = config.since
    if not isinstance(since, Duration):
        return timedelta(0)
    if since.is_exact:
        return since.exact
    return since.exact + timedelta(days=longest_in_days(since.months) + since.days + 1)


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
        case Matched(event_name, payload, branch, events):
            output = {"event": event_name, "payload": payload}
            return GoTo(branch, output | ({"events": list(events)} if events else {}))
        case TimedOut():
            return GoTo(TIMEOUT)
        case _:
            return unexpected(turn, cause)


def _floor(turn: Turn, since: str | Duration | None) -> Reckoned:
    if isinstance(since, Duration):
        return earlier(turn, since, "since")
    if since == "now":
        return Reckoned(turn.now, {})
    return Reckoned(turn.previous_at if since == "previous_step" else turn.started_from, {})

"""The arms of a wait as they are written: lists of events, each with its filter and branch (W7)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from state.automation import DEFAULT_BRANCH
from state.name import parse_name
from state.problem import Collector, Problem, ProblemsError, choose, spelled
from state.rule import Rule, parse_rule

#: How many arms one wait may have: each keeps the payload that met it for as long as the run waits.
ARMS_MAX = 10

_KEYS = ("event_name", "filter_rule", "branch")

#: Branches that an arm cannot lead to: that of the deadline, and that of steps without branches.
_TAKEN = ("timeout", DEFAULT_BRANCH)


class DrawnArm(BaseModel):
    """An arm as it was drawn. `branch` is None where it says none."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, populate_by_name=True)

    event_name: str
    filter: Rule | None = Field(default=None, alias="filter_rule")
    branch: str | None = None


def parse_any_of(raw: object) -> list[DrawnArm]:
    """Return the arms of which one closes the wait, which then follows that arm's branch.

    Raises:
        ProblemsError: some cannot be used; says everything that is wrong with them.
    """
    return _parse_arms(raw, fewest=1, may_branch=True)


def parse_all_of(raw: object) -> list[DrawnArm]:
    """Return the arms that must all be met; the wait then follows `event_received`.

    Raises:
        ProblemsError: some cannot be used; says everything that is wrong with them.
    """
    return _parse_arms(raw, fewest=2, may_branch=False)


def _parse_arms(raw: object, *, fewest: int, may_branch: bool) -> list[DrawnArm]:
    if not isinstance(raw, list):
        fix = "write `[{event_name: ...}, {event_name: ...}]`"
        raise ProblemsError([Problem("", "must be a list of arms", fix)])
    if not fewest <= len(raw) <= ARMS_MAX:
        message = f"has {len(raw)} arms"
        raise ProblemsError([Problem("", message, f"write {fewest} to {ARMS_MAX} of them")])
    found = Collector()
    arms = [
        found.attempt(f"[{index}]", _parse_arm, item, may_branch) for index, item in enumerate(raw)
    ]
    found.check()
    return [arm for arm in arms if arm is not None]


def _parse_arm(raw: object, may_branch: bool) -> DrawnArm:
    if not isinstance(raw, Mapping):
        raise ProblemsError([Problem("", f"must be an arm, not {spelled(raw)}", "write keys")])
    found = Collector()
    for key in raw.keys() - set(_KEYS):
        found.refuse(str(key), "is not a key of an arm", choose(key, _KEYS))
    name = found.attempt("event_name", parse_name, raw.get("event_name"))
    rule, branch = raw.get("filter_rule"), raw.get("branch")
    held = None if rule is None else found.attempt("filter_rule", parse_rule, rule)
    if branch is not None and not may_branch:
        fix = "leave it out: `all_of` follows `event_received`"
        found.refuse("branch", "an arm of `all_of` has none", fix)
    elif branch is not None:
        branch = found.attempt("branch", _parse_branch, branch)
    found.check()
    assert name is not None, "an arm without problems has a name"
    return DrawnArm(event_name=name, filter=held, branch=None if branch is None else str(branch))


def _parse_branch(raw: object) -> str:
    name = parse_name(raw)
    if name in _TAKEN:
        fix = "name the branch after what happened, such as `paid`"
        raise ProblemsError([Problem("", f'"{name}" has another meaning', fix)])
    return name

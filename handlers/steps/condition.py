"""A condition: the run follows one of two branches, as a rule holds or not."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import asdict
from pydantic import SkipValidation, model_validator

from handlers.decision import Fail, GoTo, Outcome, Turn
from handlers.evaluate import evaluate
from handlers.step import StepConfig, config_of, no_arms, unexpected
from state.rule import Rule, parse_rule

TYPE = "condition"
BRANCHES = ("condition_met", "condition_not_met")


class Config(StepConfig):
    """The rule. On the wire the configuration is the rule itself, without a key around it."""

    HAS_OWN_KEYS: ClassVar[bool] = False

    rule: SkipValidation[Rule]

    @model_validator(mode="before")
    @classmethod
    def _is_the_rule(cls, raw: object) -> dict[str, Rule]:
        return {"rule": parse_rule(raw)}


arms = no_arms


def enter(turn: Turn) -> Outcome:
    """Judge the rule; a field that is absent fails the step, unless `exists` asked first (F6)."""
    verdict = evaluate(config_of(turn, Config).rule, turn.scope)
    judged = {"checks": [asdict(check) for check in verdict.checks]}
    if verdict.absent:
        fields = ", ".join(verdict.absent)
        return Fail("field_absent", f"absent: {fields}; ask with `exists` first", judged)
    branch = "condition_met" if verdict.holds else "condition_not_met"
    return GoTo(branch, {"result": verdict.holds}, judged)


resume = unexpected

"""The seam that every step kind fills: its configuration, its branches, enter and resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, TypeVar

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError
from pydantic.alias_generators import to_snake
from pydantic_core import ErrorDetails

from handlers.decision import Cause, Outcome, Turn
from state.automation import Arm
from state.duration import Duration, parse_duration
from state.name import parse_name
from state.problem import Problem, ProblemsError, joined, spelled
from state.rule import Rule, parse_rule

EventName = Annotated[str, PlainValidator(parse_name)]
WrittenDuration = Annotated[Duration, PlainValidator(parse_duration)]
RuleTree = Annotated[Rule, PlainValidator(parse_rule)]


class StepConfig(BaseModel):
    """The parsed configuration of a step. Unknown keys are ignored, as other clients send them.

    `OLD_NAMES` maps names that a key had in older dialects to its name now. `HAS_OWN_KEYS` is false
    where what is written is not this model's keys but one thing as a whole. `BRANCHED_BY` are keys
    by which a step has other branches than its kind.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    OLD_NAMES: ClassVar[Mapping[str, str]] = {}
    HAS_OWN_KEYS: ClassVar[bool] = True
    BRANCHED_BY: ClassVar[frozenset[str]] = frozenset()


class ConfigError(ProblemsError):
    """A step's configuration cannot be used."""


def no_arms(_config: object) -> tuple[Arm, ...]:
    """Return the arms of a step that listens to nothing."""
    return ()


class StepKind(Struct, frozen=True):
    """A step kind, as its module in `handlers.steps` defines it.

    `branches` are the connection types that may leave the step; `branching`, where a kind has it,
    says which may leave one so configured. `enter` answers when the run reaches it, `resume` when
    what it parked for has come. Both are pure. `arms` and `branching` take the configuration that
    `parse` returned.
    """

    name: str
    config_model: type[StepConfig]
    branches: tuple[str, ...]
    arms: Callable[[Any], tuple[Arm, ...]]
    enter: Callable[[Turn], Outcome]
    resume: Callable[[Turn, Cause], Outcome]
    branching: Callable[[Any], tuple[str, ...]] | None = None

    def branches_of(
        self, config: StepConfig | None, raw: Mapping[str, object]
    ) -> tuple[str, ...] | None:
        """Return the connection types that may leave a step so configured (rules F1, W7).

        None where only a configuration could say that could not be parsed (`config` is None).
        """
        if config is not None and self.branching is not None:
            return self.branching(config)
        is_open = config is None and not self.config_model.BRANCHED_BY.isdisjoint(raw)
        return None if is_open else self.branches

    def names(self, config: object) -> frozenset[str]:
        """Return the names of the events that a step so configured listens to."""
        return frozenset(arm.event_name for arm in self.arms(config))

    def parse(self, raw: object) -> StepConfig:
        """Return the configuration that `raw` means; null and [] mean an empty one.

        Raises:
            ConfigError: it cannot be used; names every key that is missing, misnamed or wrong.
        """
        given = {} if raw is None or raw == [] else raw
        if not isinstance(given, Mapping):
            raise ConfigError(
                [Problem("", f"must be an object, not {spelled(given)}", "write keys")]
            )
        misnamed = tuple(_misnamed(self.config_model, given))
        try:
            config = self.config_model.model_validate(given)
        except ValidationError as error:
            raise ConfigError(_problems(error, misnamed)) from None
        if misnamed:
            raise ConfigError([problem for _, problem in misnamed])
        return config


ConfigT = TypeVar("ConfigT", bound=StepConfig)


def config_of(turn: Turn, model: type[ConfigT]) -> ConfigT:
    """Return the configuration of the step whose turn it is, as its kind's own model."""
    config = turn.step.config
    assert isinstance(config, model), f"step {turn.step.key} holds {type(config).__name__}"
    return config


def unexpected(turn: Turn, cause: Cause) -> Outcome:
    """Refuse a cause that a step of this kind never parks for: the engine is wrong, not the run."""
    raise AssertionError(f"{turn.step.type} step {turn.step.key} was resumed by {cause!r:.80}")


def _misnamed(
    model: type[StepConfig], given: Mapping[str, object]
) -> Iterator[tuple[str, Problem]]:
    """Yield each key that is another spelling of a known one which is absent, and the problem."""
    known = {field.alias or name for name, field in model.model_fields.items()}
    for key in given:
        now = model.OLD_NAMES.get(key, to_snake(str(key)))
        if now != key and now.partition(".")[0] in known and now.partition(".")[0] not in given:
            yield now, Problem(str(key), "is not a key of this step", f"write `{now}`")
        elif now == key and key not in known and model.HAS_OWN_KEYS:
            # Other clients send keys of their own, which are ignored; a slip of the pen is not.
            for near in get_close_matches(str(key), known - given.keys(), n=1, cutoff=0.8):
                yield near, Problem(str(key), "is not a key of this step", f"write `{near}`")


def _problems(error: ValidationError, misnamed: tuple[tuple[str, Problem], ...]) -> list[Problem]:
    explained = {now.partition(".")[0] for now, _ in misnamed}
    found = [problem for _, problem in misnamed]
    for detail in error.errors(include_url=False):
        if not (detail["type"] == "missing" and str(detail["loc"][0]) in explained):
            found += _translated(detail)
    return found


def _translated(detail: ErrorDetails) -> list[Problem]:
    """Return one of pydantic's errors as problems in our own words."""
    place = ""
    for part in detail["loc"]:
        place = joined(place, f"[{part}]" if isinstance(part, int) else part)
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, ProblemsError):
        return [problem.below(place) for problem in cause.problems]
    if detail["type"] == "missing" or detail["input"] is None:
        return [Problem(place, "is missing", f"add `{place}`")]
    return [Problem(place, f"{spelled(detail['input'])} cannot be used", detail["msg"])]

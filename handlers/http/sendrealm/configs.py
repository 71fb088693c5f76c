"""What steps are configured with: Sendrealm's keys and ours. Keys of neither are kept as they are.

Each conversion takes a configuration and returns a new one; that a key is missing or wrong is said
by whoever publishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from handlers.http.sendrealm.filters import filters_of, rule_of
from state.duration import DurationError, parse_duration
from state.problem import Collector, Problem, ProblemsError, spelled

Config = dict[str, Any]
Convert = Callable[[Config], Config]

_SECOND = timedelta(seconds=1)


def our_config(our_type: str, config: Mapping[str, Any]) -> Config:
    """Return a step's configuration in our keys.

    Raises:
        ProblemsError: a number of seconds, or a filter, cannot be read.
    """
    return _TO_OURS.get(our_type, dict)(dict(config))


def their_config(our_type: str, config: Mapping[str, Any]) -> Config:
    """Return a step's configuration in Sendrealm's keys."""
    return _TO_THEIRS.get(our_type, dict)(dict(config))


def ours_listening(config: Config) -> Config:
    """Return what a trigger or a wait listens to, `filters` read as a rule."""
    found = Collector()
    rule = found.attempt("filters", rule_of, config.pop("filters", None))
    found.check()
    return config if rule is None else {**config, "filter_rule": rule}


def theirs_listening(config: Config) -> Config:
    """Return what a trigger or a wait listens to, its rule as `filters` where they can say it."""
    rule = config.get("filter_rule")
    filters = None if rule is None else filters_of(rule)
    if filters is None:
        return config
    del config["filter_rule"]
    return {**config, "filters": filters}


def _ours_sending(config: Config) -> Config:
    if "template_version_id" not in config:
        return config
    template = {"id": config.pop("template_version_id")}
    if "variables" in config:
        template["variables"] = config.pop("variables")
    return {**config, "template": template}


def _theirs_sending(config: Config) -> Config:
    template = config.pop("template")
    variables = template.get("variables")
    more = {"variables": variables} if variables else {}
    return {"template_version_id": template["id"], **more, **config}


def _ours_waiting(config: Config) -> Config:
    return ours_listening(_in_words(config, "timeout_seconds", "timeout"))


def _theirs_waiting(config: Config) -> Config:
    return theirs_listening(_in_seconds(config, "timeout", "timeout_seconds"))


def _ours_delayed(config: Config) -> Config:
    return _in_words(config, "duration_seconds", "duration")


def _theirs_delayed(config: Config) -> Config:
    return _in_seconds(config, "duration", "duration_seconds")


def _ours_judging(config: Config) -> Config:
    """Return a condition: `filters`, or a rule as it is, which is the whole configuration here."""
    if "filters" not in config:
        return config
    return ours_listening(config).get("filter_rule", {})  # type: ignore[no-any-return]  # is ours


def _theirs_judging(config: Config) -> Config:
    filters = filters_of(config)
    return config if filters is None else {"filters": filters}


def _renamed(old: str, new: str) -> Convert:
    def rename(config: Config) -> Config:
        return {new if key == old else key: value for key, value in config.items()}

    return rename


def _in_words(config: Config, old: str, new: str) -> Config:
    """Return a configuration whose number of seconds is a duration as we write it."""
    seconds = config.pop(old, None)
    if seconds is None:
        return config
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        message = f"{spelled(seconds)} is not a number of seconds"
        raise ProblemsError([Problem(old, message, "write a whole number, such as 1800")])
    return {**config, new: f"{seconds} seconds"}


def _in_seconds(config: Config, old: str, new: str) -> Config:
    """Return a configuration whose duration is in seconds, where it is the same everywhere."""
    try:
        duration = parse_duration(config.get(old))
    except DurationError:
        return config
    if not duration.is_exact:
        return config
    del config[old]
    return {**config, new: duration.exact // _SECOND}


_TO_OURS: Mapping[str, Convert] = {
    "trigger": ours_listening,
    "send_email": _ours_sending,
    "send_push": _ours_sending,
    "wait_for_event": _ours_waiting,
    "delay": _ours_delayed,
    "condition": _ours_judging,
    "add_to_segment": _renamed("audience_id", "segment_id"),
    "remove_from_segment": _renamed("audience_id", "segment_id"),
}
_TO_THEIRS: Mapping[str, Convert] = {
    "trigger": theirs_listening,
    "send_email": _theirs_sending,
    "send_push": _theirs_sending,
    "wait_for_event": _theirs_waiting,
    "delay": _theirs_delayed,
    "condition": _theirs_judging,
    "add_to_segment": _renamed("segment_id", "audience_id"),
    "remove_from_segment": _renamed("segment_id", "audience_id"),
}

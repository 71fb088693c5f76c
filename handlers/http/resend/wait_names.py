"""Waits for several events: Resend has none, and strict clients look for one `event_name`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ARMS = ("any_of", "all_of")


def named(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as it was drawn, with all that it waits for by the name of one."""
    names = _names(config)
    return dict(config) if names is None else {**config, "event_name": names}


def unnamed(body: Any) -> Any:
    """Return a posted automation without the names that `named` has added: it was read before."""
    steps = body.get("steps") if isinstance(body, Mapping) else None
    if not isinstance(steps, list):
        return body
    return {**body, "steps": [_unnamed(step) for step in steps]}


def _unnamed(step: Any) -> Any:
    config = step.get("config") if isinstance(step, Mapping) else None
    if not isinstance(config, Mapping):
        return step
    names = _names(config)
    if names is None or config.get("event_name") != names:
        return step
    without = {key: value for key, value in config.items() if key != "event_name"}
    return {**step, "config": without}


def _names(config: Mapping[str, Any]) -> str | None:
    """Return the names of a wait's arms, joined; None: it has none that could be read."""
    for key in _ARMS:
        arms = config.get(key)
        if isinstance(arms, list):
            found = [arm.get("event_name") if isinstance(arm, Mapping) else arm for arm in arms]
            texts = [one for one in found if isinstance(one, str)]
            return ", ".join(texts) if len(texts) == len(found) else None
    return None

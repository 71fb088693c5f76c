"""What differs between two definitions of an automation, in words for its author."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Definition = Mapping[str, Any]


def changes(before: Definition, after: Definition) -> list[str]:
    """Return what a new definition changes, one line each; nothing where they are equal."""
    said = _differing("step", _by_key(before), _by_key(after))
    said += _differing("template", before.get("templates") or {}, after.get("templates") or {})
    for part in ("reentry", "exit", "time_zone", "connections", "segments", "topics"):
        if before.get(part) != after.get(part):
            said.append(f"{part} changed")
    return said


def _by_key(definition: Definition) -> dict[str, Any]:
    return {step["key"]: step for step in definition["steps"]}


def _differing(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    said = [f'{what} "{key}" added' for key in after if key not in before]
    said += [f'{what} "{key}" removed' for key in before if key not in after]
    said += [
        f'{what} "{key}" changed' for key in after if after[key] != before.get(key, after[key])
    ]
    return said

"""The step kinds, one module each. They are found here; they do not know each other."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType

from msgspec.structs import replace

from handlers.step import StepKind

_PARTS = ("TYPE", "Config", "BRANCHES", "arms", "enter", "resume")

#: What a module may define besides: the branches of a step whose configuration names them.
_BRANCHES_OF = "branches_of"


def kind_of(module: ModuleType) -> StepKind:
    """Return the step kind that a module defines.

    Raises:
        TypeError: the module lacks a part of the seam.
    """
    lacking = [part for part in _PARTS if not hasattr(module, part)]
    if lacking:
        raise TypeError(f"step module {module.__name__} lacks {', '.join(lacking)}")
    kind = StepKind(*(getattr(module, part) for part in _PARTS))
    return replace(kind, branching=getattr(module, _BRANCHES_OF, None))


def _discover() -> dict[str, StepKind]:
    kinds: dict[str, StepKind] = {}
    for found in pkgutil.iter_modules(__path__, f"{__name__}."):
        kind = kind_of(importlib.import_module(found.name))
        if kind.name in kinds:
            raise TypeError(f"two step modules define {kind.name}")
        kinds[kind.name] = kind
    return kinds


#: Every step kind by its type.
KINDS: Mapping[str, StepKind] = _discover()

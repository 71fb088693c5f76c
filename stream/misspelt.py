"""Finds variables that are nearly settings: to ignore a misspelt one in silence misleads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

PREFIX = "WAITLINE_"

#: How alike two names must be. Others may own names with the prefix, such as WAITLINE_SERVICE_HOST.
_ALIKE = 0.9


def misspelt(variables: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """Return the variables that are no settings, each with the setting that was probably meant."""
    strange = sorted(name for name in variables if name.startswith(PREFIX) and name not in known)
    found = {name: get_close_matches(name, known, n=1, cutoff=_ALIKE) for name in strange}
    return {name: near[0] for name, near in found.items() if near}

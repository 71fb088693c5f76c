"""What ended a process too early, in a line for each cause."""

from __future__ import annotations


def causes(error: BaseException) -> list[str]:
    """Return what ended it: of a group of failures, each one."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for one in error.exceptions for cause in causes(one)]
    name, said = type(error).__name__, str(error).split("\n", 1)[0]
    return [said if said.startswith(name) else f"{name}: {said}"]

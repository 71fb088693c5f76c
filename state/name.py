"""The names that users give to events, automations, steps and templates."""

from __future__ import annotations

from state.problem import Problem, ProblemsError, spelled

#: How long a name may be, in characters (rule E6).
NAME_MAX = 255


class InvalidNameError(ProblemsError):
    """What was given cannot be a name."""


def parse_name(raw: object) -> str:
    """Return `raw` if it can be a name: text of 1 to 255 characters, no control characters.

    Raises:
        InvalidNameError: it is something else.
    """
    if raw is None:
        raise _refused("is missing", "give it a name")
    if not isinstance(raw, str):
        raise _refused(f"must be text, not {spelled(raw)}", "put it in quotes")
    if not raw.strip():
        raise _refused("is empty", "give it a name")
    if len(raw) > NAME_MAX:
        raise _refused(f"is {len(raw)} characters long", f"use at most {NAME_MAX}")
    if not all(map(_is_visible, raw)):
        raise _refused("holds a control character", "take it out")
    return raw


def _is_visible(character: str) -> bool:
    return character >= " " and not "\x7f" <= character <= "\x9f"


def _refused(message: str, fix: str) -> InvalidNameError:
    return InvalidNameError([Problem("", message, fix)])

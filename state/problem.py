"""What is wrong with something a user wrote: where, what, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_SHOWN_MAX = 20  # of the words that would have been valid
_COMPARED_MAX = 80  # characters; comparing takes their square


class Problem(NamedTuple):
    """One thing to mend. `field` is the path inside the thing named by `where`, such as a step."""

    field: str
    message: str
    fix: str = ""
    where: str = ""

    @property
    def text(self) -> str:
        """Return the problem as one line: place, what is wrong, how to mend it."""
        place = ", ".join(part for part in (self.where, self.field) if part)
        said = f"{place}: {self.message}" if place else self.message
        return f"{said}; {self.fix}" if self.fix else said

    def below(self, path: str) -> Problem:
        """Return the same problem as seen from one level up, where its part is called `path`."""
        return self._replace(field=joined(path, self.field))


class ProblemsError(ValueError):
    """What a user wrote cannot be used; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.text for problem in self.problems))


class Collector:
    """Gathers the problems of several parts, so that a user hears of all of them at once.

    Problems that do not say so themselves are `where` it says.
    """

    def __init__(self, where: str = "") -> None:
        self.problems: list[Problem] = []
        self._where = where

    def refuse(self, field: str, message: str, fix: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(field, message, fix, self._where))

    def attempt(
        self, path: str, parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Return what `parse` makes of its arguments; None if it raised, its problems noted."""
        try:
            return parse(*args, **kwargs)
        except ProblemsError as error:
            for problem in error.problems:
                where = problem.where or self._where
                self.problems.append(problem.below(path)._replace(where=where))
            return None

    def check(self, error_type: type[ProblemsError] = ProblemsError) -> None:
        """Raise what was noted, if anything was."""
        if self.problems:
            raise error_type(self.problems)


def joined(path: str, part: str) -> str:
    """Join two path parts: `a` and `b` make `a.b`, `a` and `[0]` make `a[0]`."""
    if not path or not part or part.startswith("["):
        return path + part
    return f"{path}.{part}"


def spelled(value: object, most: int = 40) -> str:
    """Return a value as JSON spells it, cut to so many characters, for a message about it.

    The value may be anything that a file or a request can hold. What does not print is escaped: the
    message may be read on a terminal.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        # A key that is no text, a number too long to be written, a list within itself.
        text = f"some {type(value).__name__}"
    if not text.isprintable():
        text = "".join(one if one.isprintable() else _escaped(one) for one in text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def choose(given: object, valid: Iterable[str]) -> str:
    """Return the fix for a word that is none of the valid ones: the nearest first, then all."""
    words = list(valid)
    near = get_close_matches(str(given)[:_COMPARED_MAX], words, n=1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    more = ", ..." if len(words) > _SHOWN_MAX else ""
    return f"{hint}valid: {', '.join(words[:_SHOWN_MAX])}{more}"

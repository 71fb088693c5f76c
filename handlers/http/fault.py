"""What can go wrong with a request, in no dialect's words; each dialect says it in its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from state.problem import Problem

Kind = Literal[
    "key_missing",
    "key_invalid",
    "key_restricted",
    "rate_limited",
    "body_too_large",
    "body_too_slow",
    "body_unreadable",
    "field_missing",
    "field_invalid",
    "id_invalid",
    "not_possible",
    "idempotency_key_invalid",
    "idempotency_mismatch",
    "idempotency_in_progress",
    "not_found",
    "route_unknown",
    "method_unknown",
    "conflict",
    "unavailable",
    "broken",
]


class Fault(Exception):
    """A request that is not done: what kind of fault it is, and words for the one who sent it.

    `field` is the path of the field at fault, such as `payload` or `steps.0.key`. `problems` are
    all that is wrong where that is known one by one. `headers` go into the answer as they are.
    `not_possible` is what makes sense, and cannot be done as things stand.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        field: str | None = None,
        problems: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.field = field
        self.problems = tuple(problems)
        self.headers: Mapping[str, str] = headers or {}

    @property
    def reasons(self) -> Mapping[str, Sequence[str]]:
        """Return what is wrong by the field that it is wrong with; nothing where none is known."""
        if not self.problems:
            return {} if self.field is None else {self.field: (self.message,)}
        found: dict[str, list[str]] = {}
        for problem in self.problems:
            place = ", ".join(part for part in (problem.where, problem.field) if part)
            found.setdefault(place or "body", []).append(problem._replace(field="", where="").text)
        return found


def unavailable(what: str, retry_seconds: int = 1) -> Fault:
    """Return the fault of something that is away for now; nothing was done."""
    return Fault("unavailable", what, headers={"retry-after": str(retry_seconds)})

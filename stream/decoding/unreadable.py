"""Why a record cannot be understood: what the parts of the decoder tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self


class Unreadable(Exception):
    """A record that will be quarantined (rule E5).

    Texts never hold the producer's values: a value may be personal, and rejections of one cause
    must group under one fingerprint.
    """

    def __init__(self, reason: str, problem: str, field: str = "") -> None:
        super().__init__(reason, problem, field)
        self.reason = reason
        self.problem = problem
        self.field = field

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem

    def relabelled(self, labels: Mapping[str, str]) -> Unreadable:
        """Return the same refusal with the field called as the producer's wire form calls it."""
        head, dot, rest = self.field.partition(".")
        return Unreadable(self.reason, self.problem, f"{labels.get(head, head)}{dot}{rest}")


def bad_field(field: str, expected: str) -> Unreadable:
    """Return the refusal of a field that is not what was expected."""
    return Unreadable("bad_field", f"expected {expected}", field)


class Remains(bytes):
    """What is left of the value of a record that could not be unpacked, and what was met in it."""

    problem: str

    def __new__(cls, left: bytes, problem: str) -> Self:
        """Keep the bytes that are left."""
        remains = super().__new__(cls, left)
        remains.problem = problem
        return remains

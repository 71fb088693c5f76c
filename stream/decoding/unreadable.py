"""Why a record cannot be understood: what the parts of the decoder tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self, get_args

#: Why a record is rejected: all the reasons there are (rule E5).
Reason = Literal[
    "empty",  # no bytes at all, which is not the same as none: that is a tombstone
    "unreadable_record",  # not built as Kafka's records are
    "too_large",
    "not_utf8",
    "not_json",
    "not_an_object",
    "too_deep",
    "bad_number",
    "bad_character",
    "duplicate_key",
    "bad_field",
    "no_identifier",
    "not_a_contact_event",
    "decoder_error",  # a mistake of the decoder's own
]
REASONS: frozenset[str] = frozenset(get_args(Reason))


class Unreadable(Exception):
    """A record that will be quarantined (rule E5).

    Texts never hold the producer's values: a value may be personal, and rejections of one cause
    must group under one fingerprint.
    """

    def __init__(self, reason: Reason, problem: str, field: str = "") -> None:
        super().__init__(reason, problem, field)
        self.reason: Reason = reason
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

"""Why something did or did not happen: one finding for each thing an event was held against."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from msgspec import Struct


class Check(NamedTuple):
    """One comparison of a rule as it was judged: what stood in the field, and whether it held.

    `is_absent` says that nothing stood in the field, or where the expected value was to be read.
    """

    field: str
    operator: str
    expected: object
    actual: object
    holds: bool
    is_absent: bool = False


class Finding(Struct, frozen=True):
    """One verdict in the rules' own words: `started`, `resumed`, `filter_false`, `before_window`...

    `subject` is `automation`, `wait`, `exit` or `identity`; the ids that apply are set.
    """

    subject: str
    verdict: str
    automation_id: UUID | None = None
    run_id: UUID | None = None
    step_key: str | None = None
    reason: str | None = None
    values: tuple[Check, ...] = ()

    def document(self) -> dict[str, object]:
        """Return the finding as JSON-ready keys; what is absent is left out."""
        found: dict[str, object] = {"subject": self.subject, "verdict": self.verdict}
        if self.automation_id is not None:
            found["automation_id"] = str(self.automation_id)
        if self.run_id is not None:
            found["run_id"] = str(self.run_id)
        if self.step_key is not None:
            found["step_key"] = self.step_key
        if self.reason is not None:
            found["reason"] = self.reason
        if self.values:
            found["values"] = [check._asdict() for check in self.values]
        return found

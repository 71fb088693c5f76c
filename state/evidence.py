"""Why something did or did not happen: one finding for each thing an event was held against."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class Check(Struct, frozen=True):
    """One comparison of a rule as it was judged: what stood in the field, and whether it held.

    `is_absent` says that nothing stood in the field, or where the expected value was to be read.
    """

    field: str
    operator: str
    expected: object
    actual: object
    holds: bool
    is_absent: bool = False


class Finding(Struct, frozen=True, omit_defaults=True):
    """One verdict in the rules' own words: `started`, `resumed`, `filter_false`, `before_window`...

    `subject` is `automation`, `wait`, `exit` or `identity`; the ids that apply are set. As JSON
    it has these keys, and leaves out what is absent.
    """

    subject: str
    verdict: str
    automation_id: UUID | None = None
    run_id: UUID | None = None
    step_key: str | None = None
    reason: str | None = None
    values: tuple[Check, ...] = ()

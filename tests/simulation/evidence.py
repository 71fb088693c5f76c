"""What is laid before the auditor, and the same sorted by person and by run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from state.run import Run
from tests.simulation.facts import AutomationFact, Cancelled, Copy, Fact, Pause, Person
from tests.simulation.log import SimLog
from tests.simulation.provider import Provider
from tests.simulation.tables import Tables

if TYPE_CHECKING:
    from tests.simulation.chronicle import Chronicle, Contact


@dataclass(slots=True)
class Evidence:
    """All that is laid before the auditor; `seen` is what it found of interest on the way."""

    facts: Sequence[Fact]
    people: Sequence[Person]
    automations: Sequence[AutomationFact]
    of_interest: frozenset[str]
    tables: Tables
    log: SimLog
    sent: Provider
    rules: Any  # grace, cap and slack are read of it
    pauses: Sequence[Pause]
    cancelled: Sequence[Cancelled]
    is_calm: bool
    seen: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Happened:
    """An event as it counted: the published fact, the copy that was applied, V, when, and whose.

    `applied_at` is its turn's `now`. Turns of one contact have ascending ones, because each takes
    it under the contact's lock; equal ones say nothing of the order.
    """

    fact: Fact
    copy: Copy
    v: datetime
    applied_at: datetime
    contact: Contact


@dataclass(slots=True)
class Case:
    """The evidence, sorted: what happened by person and name, and every run by its trigger."""

    evidence: Evidence
    chronicle: Chronicle
    happened: dict[str, Happened]
    by_name: dict[tuple[str, str], list[Happened]]
    runs: dict[tuple[str, str], Run]

"""Plain facts: what was published, and what the automations say. The auditor knows nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from state.event import Coordinates


@dataclass(frozen=True, slots=True)
class Person:
    """A person, by every name that may be used; `names` are the sets in which they are used."""

    name: str
    identifiers: Mapping[str, str]
    names: tuple[tuple[str, ...], ...]

    @property
    def has_email(self) -> bool:
        return "email" in self.identifiers


class Copy(NamedTuple):
    """One record of an event in the log; `recorded_at` is the broker's word, `at` the truth."""

    coordinates: Coordinates
    at: datetime
    recorded_at: datetime


@dataclass(slots=True)
class Fact:
    """An event as its producer published it, once or several times under one id.

    `fate` is `good`, or how it is at fault: `unreadable`, `refused` by the database, `tombstone`.
    """

    id: str
    person: Person
    name: str
    occurred_at: datetime | None
    payload: Mapping[str, object]
    used: tuple[str, ...] = ()
    fate: str = "good"
    copies: list[Copy] = field(default_factory=list)

    def body(self) -> tuple[object, ...]:
        return (self.name, self.occurred_at, self.used, tuple(sorted(self.payload.items())))


@dataclass(frozen=True, slots=True)
class WaitFact:
    event: str
    timeout: timedelta
    same: str | None


@dataclass(frozen=True, slots=True)
class AutomationFact:
    """What a user drew: `same` names a payload field that must equal the trigger's."""

    name: str
    trigger: str
    is_once: bool
    minimum: tuple[str, int] | None
    exit: tuple[str, str] | None
    waits: Mapping[str, WaitFact]
    delays: Mapping[str, timedelta]
    #: The title of each message, with `{}` for the value of the field `names_by`.
    sends: Mapping[str, tuple[str, str]]
    names_by: str
    ways: Mapping[tuple[str, str], str]


class Interval(NamedTuple):
    """A fault of a partition, from when to when."""

    kind: str
    partition: tuple[str, int]
    since: datetime
    until: datetime

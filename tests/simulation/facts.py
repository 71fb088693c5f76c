"""Plain facts: what was published, and what the automations say. The auditor knows nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from state.event import Coordinates


@dataclass(frozen=True, slots=True)
class Person:
    """A person, by every name that may be used; `names` are the sets in which they are used.

    Of the `fate`, `linked` are known to be one person before anything happens, `meeting` are not
    until some event links their names, `leaving` are deleted, `fickle` go and come back.
    """

    name: str
    identifiers: Mapping[str, str]
    names: tuple[tuple[str, ...], ...]
    fate: str = "settled"


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


class ArmFact(NamedTuple):
    """What an arm listens to: `same` names a payload field that must equal the trigger's."""

    event: str
    same: str | None
    branch: str = "event_received"


@dataclass(frozen=True, slots=True)
class WaitFact:
    """A wait that one arm closes, or only all of them."""

    timeout: timedelta
    arms: tuple[ArmFact, ...]
    needs_all: bool = False


@dataclass(frozen=True, slots=True)
class AutomationFact:
    """What a user drew. An exit is the event's name and the field that must equal the trigger's."""

    name: str
    trigger: str
    reentry: str
    minimum: tuple[str, int] | None
    exit: tuple[str, str] | None
    waits: Mapping[str, WaitFact]
    delays: Mapping[str, timedelta]
    #: The channel and the title of each message, with `{}` for the value of the field `names_by`.
    sends: Mapping[str, tuple[str, str]]
    names_by: str
    ways: Mapping[tuple[str, str], str]
    #: The send steps that ask for no consent.
    transactional: frozenset[str] = frozenset()


class Interval(NamedTuple):
    """A fault of a partition, from when to when."""

    kind: str
    partition: tuple[str, int]
    since: datetime
    until: datetime


class Pause(NamedTuple):
    """An operator's pause of an automation: `hold` or `freeze`, from when to when."""

    automation: str
    mode: str
    since: datetime
    until: datetime


class Cancelled(NamedTuple):
    """An operator's word that a run shall end, and when it was obeyed."""

    run_id: UUID
    said_at: datetime
    obeyed_at: datetime

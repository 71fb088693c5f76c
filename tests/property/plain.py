"""The words of the naive model: events, drawings and runs, plainer than the engine's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

#: Of what, automation, trigger, step, verdict.
Verdict = tuple[str, str, str | None, str | None, str]


class Said(NamedTuple):
    """An event; `n` is None where its payload lacks it, `place` its place in the stream."""

    id: str
    name: str
    who: str
    v: int
    n: object
    place: int


class Arm(NamedTuple):
    """`same`: the event's n must equal the trigger's."""

    name: str
    same: bool
    branch: str


class Step(NamedTuple):
    """A wait, or a delay of `minutes` if it has no arms. `goes_on`: a timeout leads on too."""

    key: str
    arms: tuple[Arm, ...] = ()
    group: str = "single"
    minutes: int | None = None
    since: str | int | None = None
    deliver: str = "all"
    goes_on: bool = False


class Automation(NamedTuple):
    name: str
    trigger: str
    only: object
    policy: str
    after: int
    exits: tuple[tuple[str, bool], ...]
    steps: tuple[Step, ...]
    enabled_at: int
    is_enabled: bool


class Rules(NamedTuple):
    grace: int
    slack: int
    age_max: int
    cap: int
    back_max: int
    interest: dict[str, int]


@dataclass
class Wait:
    step: Step
    opened: int
    floor: int
    deadline: int | None
    met: dict[int, Said] = field(default_factory=dict)
    status: str = "waiting"
    branch: str | None = None
    by: Said | None = None
    late: tuple[str, str] | None = None
    closed: int | None = None
    used_then: frozenset[str] = frozenset()

    def is_named_by(self, event: Said) -> bool:
        return any(arm.name == event.name for arm in self.step.arms)


@dataclass
class Run:
    automation: Automation
    trigger: Said
    at: int = 0
    entered: int = 0
    parked: Wait | int | None = None  # an int: until when it sleeps
    used: set[str] = field(default_factory=set)
    waits: list[Wait] = field(default_factory=list)
    reason: str | None = None

    def is_like(self, event: Said) -> bool:
        """Tell whether an event's n equals the trigger's; what is absent equals nothing."""
        return event.n is not None and event.n == self.trigger.n

    def open_for(self, wait: Wait, event: Said) -> list[int]:
        """Return the places of the arms that an event would meet, in declared order."""
        return [
            place
            for place, arm in enumerate(wait.step.arms)
            if arm.name == event.name
            and place not in wait.met
            and (not arm.same or self.is_like(event))
        ]

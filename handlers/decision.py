"""What a step is told when its turn comes, and what it may answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct, field

from handlers.evaluate import Scope
from state.audience import Audiences
from state.automation import DEFAULT_BRANCH, Step, Version
from state.contact import Contact
from state.effect import Category, Channel, Settlement
from state.run import Run


class Turn(Struct, frozen=True):
    """A step's turn in a run: everything it may know, the instant `now` included.

    `previous_at` is since when the run stood at the step before: the trigger's V, if it was that.
    Who the contact is and what paths read is asked when a step reads it, which most do not.
    """

    step: Step
    version: Version
    read_contact: Callable[[], Contact]
    read_scope: Callable[[], Scope]
    now: datetime
    run: Run
    previous_at: datetime
    audiences: Audiences = field(default_factory=Audiences)

    @property
    def contact(self) -> Contact:
        """Return the run's contact as it stands now."""
        return self.read_contact()

    @property
    def scope(self) -> Scope:
        """Return what rules and variables read; `event` is the trigger's payload."""
        return self.read_scope()

    @property
    def started_from(self) -> datetime:
        """Return the V of the run's trigger."""
        return self.run.trigger.v

    @property
    def effect_key(self) -> str:
        """Return the key of what this step sends, if it sends (rule F2)."""
        return self.run.effect_key(self.step.key)


class ProfileChange(Struct, frozen=True):
    """What a step writes on its contact, by name of field and of property; None clears.

    `segments`, by id as text, are joined (True) or left; `topics`, by key, subscribed to or not.
    """

    fields: Mapping[str, object] = field(default_factory=dict)
    properties: Mapping[str, object] = field(default_factory=dict)
    segments: Mapping[str, bool] = field(default_factory=dict)
    topics: Mapping[str, bool] = field(default_factory=dict)


class Emission(Struct, frozen=True):
    """An event that a step causes, to be published to the input topics (rule S6)."""

    event: str
    payload: Mapping[str, object]


class GoTo(Struct, frozen=True):
    """The step is done; the run follows this branch, or ends where it has no such connection.

    After parking, `output` holds only what the answer adds to the output said then; `is_skipped`
    says that the message was not sent, as consent forbade it (rule F4).
    """

    branch: str = DEFAULT_BRANCH
    output: Mapping[str, object] | None = None
    input: Mapping[str, object] | None = None
    change: ProfileChange | None = None
    emits: Emission | None = None
    is_skipped: bool = False


class Wait(Struct, frozen=True):
    """The run parks for one of the step's arms: events with V from `floor` on, until `deadline`.

    `floor` is without the slack and the name's own limit (rule W2). No deadline: without end.
    `output` is what the step's output will say beside the answer.
    """

    deadline: datetime | None
    floor: datetime
    input: Mapping[str, object]
    output: Mapping[str, object] | None = None


class Sleep(Struct, frozen=True):
    """The run parks until an instant; `past_due` says that it had already passed (rule T1).

    `output` is what the step's output will say beside that.
    """

    until: datetime
    past_due: bool
    input: Mapping[str, object]
    output: Mapping[str, object] | None = None


class Send(Struct, frozen=True):
    """The run parks until the world has answered for one message (rule F3).

    Consent is judged by `category` and `topic`, a topic's key, when it is claimed (rule F4).
    """

    channel: Channel
    message: Mapping[str, object]
    output: Mapping[str, object]
    input: Mapping[str, object]
    category: Category = "marketing"
    topic: str | None = None


class Fail(Struct, frozen=True):
    """The step fails, and its run with it: a code for machines, a text for people (rule F5)."""

    code: str
    text: str
    input: Mapping[str, object] | None = None


class Delete(Struct, frozen=True):
    """The contact is deleted, and with it end all of its runs, this one first (rule I5)."""


Outcome = GoTo | Wait | Sleep | Send | Fail | Delete


class Matched(Struct, frozen=True):
    """An event closed the wait; `branch` is that of the arm it matched.

    `events` are the events of a wait for all of several arms, in declared order (rule W7).
    """

    event_name: str
    payload: Mapping[str, object]
    branch: str
    events: tuple[Mapping[str, object], ...] = ()


class TimedOut(Struct, frozen=True):
    """The wait's deadline passed, and no event can have been missed (rule W4)."""


class Elapsed(Struct, frozen=True):
    """The instant slept for has come."""


class Settled(Struct, frozen=True):
    """The world answered for the message; `code` and `text` say why it was not sent (rule F3)."""

    settlement: Settlement
    code: str | None = None
    text: str | None = None
    provider_id: str | None = None


Cause = Matched | TimedOut | Elapsed | Settled

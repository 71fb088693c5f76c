"""What a user drew: automations, their immutable versions, steps and connections."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct, field

from state.audience import Audiences
from state.duration import Duration
from state.pausing import NEVER_PAUSED, Pausing
from state.rule import Rule
from state.template import Template

#: A graph may hold this many steps, and so may one run execute (rule F1).
STEPS_MAX = 150

#: The only connection of every step that does not branch.
DEFAULT_BRANCH = "default"


class Step(Struct, frozen=True):
    """One step of a version.

    `config` is the step kind's own parsed, frozen configuration model; `raw_config` is the
    configuration as it was written, to be given back as it came.
    """

    key: str
    type: str
    config: object
    raw_config: Mapping[str, object]


class Arm(Struct, frozen=True):
    """An event that a step listens to, with its filter and the branch it leads to.

    `deliver` says how many open waits of the step one event resumes (rule W6). `group` says how the
    arm was declared: as the step's only event, or in a list of which one, or each, must be met;
    `place` is its place in that list (rule W7).
    """

    event_name: str
    filter: Rule | None
    branch: str
    deliver: Literal["all", "oldest", "newest"] = "all"
    group: Literal["single", "any_of", "all_of"] = "single"
    place: int = 0


class Exit(Struct, frozen=True):
    """An exit rule: an event of this name whose filter holds ends the run at once (rule S3).

    `is_goal`: the event is what the automation is for, so the run ends `exited_goal` (rule R2).
    """

    event_name: str
    filter: Rule | None
    is_goal: bool = False


class Reentry(Struct, frozen=True):
    """Who may enter again (rule S2). `span` belongs to `after`, `path` to `key`."""

    policy: Literal["always", "once", "one_active", "after", "key"] = "always"
    span: Duration | None = None
    path: str = ""


class Version(Struct, frozen=True):
    """A published graph, compiled: immutable, and what its runs are pinned to for life.

    `order` is the graph order of step keys (trigger first); `successors` maps (step key, branch) to
    the next step's key; `arms` are what its waiting steps listen to, in declared order, `awaited`
    the names of these events; `names` are all that it listens to (trigger, arms, exits);
    `time_zone` is what calendar durations of contacts without one are counted in.
    """

    automation_id: UUID
    automation_name: str
    number: int
    trigger_key: str
    trigger_event: str
    trigger_filter: Rule | None
    reentry: Reentry
    exits: tuple[Exit, ...]
    steps: Mapping[str, Step]
    order: tuple[str, ...]
    successors: Mapping[tuple[str, str], str]
    arms: Mapping[str, tuple[Arm, ...]]
    templates: Mapping[str, Template]
    names: frozenset[str]
    awaited: frozenset[str] = frozenset()
    time_zone: str | None = None


class Automation(Struct, frozen=True):
    """An automation as it stands: whether it starts runs, since when, and with which version."""

    automation_id: UUID
    name: str
    is_enabled: bool
    enabled_at: datetime | None
    current: Version


class StoredVersion(Struct, frozen=True):
    """A row of the catalogue before it is compiled: the canonical definition and its state.

    The definition is the automation file's content after validation: `{name, reentry, exit, steps,
    connections, templates, time_zone?}`, with the templates it uses snapshotted into it.
    """

    automation_id: UUID
    name: str
    number: int
    definition: Mapping[str, object]
    is_current: bool
    is_enabled: bool
    enabled_at: datetime | None
    pausing: Pausing = NEVER_PAUSED


class Catalogue(Struct, frozen=True):
    """All automations with an enabled version or live runs, as one transaction read them (rule E7).

    `interest_since` maps each name of interest to the instant since when it has been one. `starts`
    lists, for a trigger's event name, the automations that listen to it, by automation id.
    `pausings` has the automations that are paused, or ever were frozen (rule T3).
    """

    revision: int
    automations: Mapping[UUID, Automation] = field(default_factory=dict)
    versions: Mapping[tuple[UUID, int], Version] = field(default_factory=dict)
    starts: Mapping[str, tuple[Automation, ...]] = field(default_factory=dict)
    interest_since: Mapping[str, datetime] = field(default_factory=dict)
    audiences: Audiences = field(default_factory=Audiences)
    pausings: Mapping[UUID, Pausing] = field(default_factory=dict)

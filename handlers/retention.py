"""Which leaves may be dropped, and what holds the others (rule O5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from handlers.steps import wait_for_event
from handlers.world import LOOK_BACK_MAX
from state.automation import Catalogue, Version
from state.retention import Holder, LeafVerdict, LiveRuns, Periods, StoredLeaf

_NONE = timedelta(0)


class Judge(NamedTuple):
    """What leaves are judged by: periods, the look-back's slack (W2), the catalogue, one `now`."""

    periods: Periods
    slack: timedelta
    catalogue: Catalogue
    now: datetime

    @property
    def horizon(self) -> datetime:
        """Return the instant from before which no wait sees anything (rule W2)."""
        return self.now - LOOK_BACK_MAX

    def due_at(self, leaf: StoredLeaf) -> datetime:
        """Return from when on a leaf is old enough.

        A run that starts from now on counts from its trigger's V, which is not older than the
        memory of event ids (E4), and that is not longer than events are kept. So an event that is
        younger by V is kept too, with the slack below it: what is dropped, no new trigger sees.
        """
        period = self.periods.of(leaf.family)
        due_at = leaf.upper + period
        if leaf.newest_v is None:
            return due_at
        return max(due_at, leaf.newest_v + self.slack + period)

    def is_young(self, leaf: StoredLeaf) -> bool:
        """Tell whether a leaf is kept for its age, whoever may look into it."""
        return self.now <= self.due_at(leaf)


def judge_leaf(judge: Judge, leaf: StoredLeaf, live: Sequence[LiveRuns]) -> LeafVerdict:
    """Judge one leaf; `live` are the parked runs that may count from as far back as it reaches.

    An event leaf is held while some run's look-back reaches down to the newest V in it.
    """
    if judge.is_young(leaf):
        return LeafVerdict(leaf, "young", judge.due_at(leaf))
    if leaf.newest_v is None or leaf.newest_v < judge.horizon:
        return LeafVerdict(leaf, "drop")
    holder = _live_holder(judge, leaf.newest_v, live) or _coming_holder(judge, leaf.newest_v)
    return LeafVerdict(leaf, "drop" if holder is None else "held", holder=holder)


def spanning_versions(catalogue: Catalogue) -> list[Version]:
    """Return the versions of which a wait looks back a span of time, from whenever it is entered.

    Their runs may look into a leaf although they began after it.
    """
    return [version for version in catalogue.versions.values() if _longest_span(version)]


def reach(judge: Judge, runs: LiveRuns) -> datetime | None:
    """Return the oldest V that these runs may still ask for, None if they ask for nothing more.

    A wait counts from the run's start, or a span back from its entering, which is now or later; and
    a merge lets an open one look again, from the floor it has (rules W2, I3). It lets exit rules
    look as well, wherever the run stands, back to its start (rule S3).
    """
    version = judge.catalogue.versions.get((runs.automation_id, runs.version))
    if version is None:  # a version this code cannot name may look back as far as any
        return judge.horizon
    ahead = [key for key in _steps_ahead(version, runs.step_key) if key in version.arms]
    if not ahead and not version.exits:
        return None
    span = max((_span(version, key) for key in ahead), default=_NONE)
    counted_from = min(runs.looks_back_to, judge.now - span)
    return max(counted_from - judge.slack, judge.horizon)


def _live_holder(judge: Judge, newest_v: datetime, live: Iterable[LiveRuns]) -> Holder | None:
    reaches = [(found, runs) for runs in live if (found := reach(judge, runs)) is not None]
    holding = [(found, runs) for found, runs in reaches if found <= newest_v]
    if not holding:
        return None
    farthest, first = min(holding, key=lambda pair: (pair[0], pair[1].run_id))
    version = judge.catalogue.versions.get((first.automation_id, first.version))
    return Holder(
        automation=str(first.automation_id) if version is None else version.automation_name,
        step_key=first.step_key,
        looks_back_to=farthest,
        run_id=first.run_id,
        others=sum(runs.total for _, runs in holding) - 1,
    )


def _coming_holder(judge: Judge, newest_v: datetime) -> Holder | None:
    """Return the wait that looks back a span from each new run's arrival there, if that reaches."""
    for automation in judge.catalogue.automations.values():
        version = automation.current
        for step_key in version.arms:
            span = _span(version, step_key)
            looks_back_to = max(judge.now - span - judge.slack, judge.horizon)
            if span and looks_back_to <= newest_v:
                return Holder(automation.name, step_key, looks_back_to)
    return None


def _longest_span(version: Version) -> timedelta:
    return max((_span(version, key) for key in version.arms), default=_NONE)


def _span(version: Version, step_key: str) -> timedelta:
    """Return how far before its own entering a wait looks; 0 if it counts from something else."""
    config = version.steps[step_key].config
    return wait_for_event.span_of(config) if isinstance(config, wait_for_event.Config) else _NONE


def _steps_ahead(version: Version, step_key: str) -> Iterator[str]:
    """Yield a step and all that lie ahead of it."""
    following: dict[str, list[str]] = {}
    for (source, _), target in version.successors.items():
        following.setdefault(source, []).append(target)
    seen, queue = set[str](), [step_key]
    while queue:
        key = queue.pop()
        if key not in seen:
            seen.add(key)
            queue += following.get(key, ())
            yield key

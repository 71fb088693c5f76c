"""Drops what is over: judged, detached while no turn is under way, then dropped (rule O5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import structlog

from handlers.publishing.catalogue import compile_catalogue
from handlers.retention import Judge, judge_leaf, spanning_versions
from state.automation import Version
from state.moment import moment_text
from state.postgres import forgetting, retention
from state.postgres.audit import Action, record
from state.postgres.catalogue import load_definitions
from state.postgres.forgetting import NameKey
from state.postgres.marks import database_now
from state.postgres.session import Session
from state.postgres.store import PostgresStore
from state.retention import Holder, LeafVerdict, OldRows, Periods, StoredLeaf, Survey
from stream.config import Settings

#: How often workers look for what is over; one of them does, for all.
EVERY = timedelta(hours=1)

CHORE = "retention"

#: How many finished runs of a detached leaf one transaction takes their messages from.
RUNS_MAX = 1_000

Told = Callable[[str, int], None]
"""`told(what, count)` is called for each leaf that was dropped and each page of rows deleted."""

log = structlog.get_logger()


class Doer(NamedTuple):
    """Who drops: every dropped leaf is in the audit log, rows that are over for an operator's."""

    who: str
    is_operator: bool


def _tell_nobody(_what: str, _count: int) -> None:
    """Be told nothing."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Judges by these periods; `compiled` are versions it has met, so that locks are held short."""

    periods: Periods
    slack: timedelta
    compiled: dict[tuple[UUID, int], Version] = field(default_factory=dict)

    async def survey(self, session: Session) -> Survey:
        """Return what would be done now, and what holds the rest; it changes nothing."""
        leaves = await self._judged(session, await retention.stored_leaves(session))
        unfinished = await retention.unfinished_drops(session)
        now = await database_now(session)
        counts = [
            OldRows(table, cutoff, await _count(session, table, cutoff))
            for table, cutoff in self._cutoffs(now).items()
        ]
        return Survey(leaves, unfinished, counts)

    async def keep(self, store: PostgresStore, doer: Doer, told: Told = _tell_nobody) -> None:
        """Do all that the survey says; cut short at any point, the rest is done the next time.

        Raises:
            Moved: others held locks for too long; try again later. Unavailable, Unknown.
        """
        async with store.session() as session:
            survey = await self.survey(session)
        for name in survey.unfinished:
            told(name, await self._finish(store, name))
        for judged in survey.leaves:
            if judged.holder is not None:
                log.info("retention.held", leaf=judged.leaf.name, **_named(judged.holder))
            if judged.verdict == "drop" and await self._detach(store, judged.leaf.name, doer):
                gone = await self._finish(store, retention.DETACHED + judged.leaf.name)
                told(judged.leaf.name, gone)
        for old in survey.rows:
            await self._forget(store, old, doer, told)

    async def _judged(self, session: Session, leaves: list[StoredLeaf]) -> list[LeafVerdict]:
        now = await database_now(session)
        catalogue = compile_catalogue(0, *await load_definitions(session), self.compiled)
        self.compiled.update(catalogue.versions)
        judge = Judge(self.periods, self.slack, catalogue, now)
        known = [
            await retention.with_newest_v(session, leaf, judge.horizon)
            if leaf.family == "events" and not judge.is_young(leaf)
            else leaf
            for leaf in leaves
        ]
        live = await retention.live_runs(
            session,
            [leaf.newest_v + self.slack for leaf in known if leaf.newest_v is not None],
            [(one.automation_id, one.number) for one in spanning_versions(catalogue)],
        )
        return [judge_leaf(judge, leaf, live) for leaf in known]

    async def _detach(self, store: PostgresStore, name: str, doer: Doer) -> bool:
        """Judge a leaf again with no turn under way, and take it out of its table if it may go."""
        async with store.session() as session:
            await retention.stop_turns(session)
            leaves = [one for one in await retention.stored_leaves(session) if one.name == name]
            for judged in await self._judged(session, leaves):
                if judged.verdict == "drop":
                    action = Action(doer.who, await database_now(session))
                    reason = f"older than {self.periods.of(judged.leaf.family)}"
                    await retention.detach_leaf(session, judged.leaf, action, reason)
                    return True
        return False

    async def _finish(self, store: PostgresStore, detached: str) -> int:
        """Delete what belongs to a detached leaf's runs, then the leaf; return how many rows."""
        after: UUID | None = UUID(int=0)
        total = 0
        while after is not None:
            async with store.session() as session:
                after, gone = await retention.forget_with_runs(session, detached, after, RUNS_MAX)
            total += gone
        async with store.session() as session:
            await retention.drop_detached(session, detached)
        log.info("retention.dropped", leaf=detached, rows_with_it=total)
        return total

    async def _forget(self, store: PostgresStore, old: OldRows, doer: Doer, told: Told) -> None:
        """Delete rows page by page; an operator's first page carries the audit entry (rule O4)."""
        total, place = 0, NameKey()
        has_more = old.total > 0
        while has_more:
            async with store.session() as session:
                if old.table == forgetting.NAMES:
                    end, names = await forgetting.old_names(session, place, old.cutoff)
                    gone = await forgetting.forget_names(session, names, old.cutoff)
                    has_more, place = end is not None, end or place
                else:
                    gone = await forgetting.forget_old(session, old.table, old.cutoff)
                    has_more = gone == forgetting.PAGE
                if gone and not total and doer.is_operator:
                    await _audit(session, old, doer.who)
            total += gone
            told(old.table, gone)
        if total:
            log.info("retention.forgot", table=old.table, rows=total)

    def _cutoffs(self, now: datetime) -> Mapping[str, datetime]:
        """Return from before when each table's rows are over."""
        return {
            **dict.fromkeys(forgetting.NOTES, now - self.periods.notes),
            forgetting.ENROLMENTS: now - self.periods.events,
            forgetting.NAMES: now - self.periods.runs,
        }


def retention_of(settings: Settings) -> Retention:
    """Return the retention that these settings ask for."""
    periods = Periods(
        events=settings.retention_events,
        runs=settings.retention_runs,
        notes=settings.retention_quarantine,
    )
    return Retention(periods, settings.lookback_slack)


async def is_time(store: PostgresStore) -> bool:
    """Tell whether this worker is to look for what is over now, for all of them."""
    async with store.session() as session:
        now = await database_now(session)
        return await forgetting.begin_chore(session, CHORE, now, EVERY)


async def _count(session: Session, table: str, cutoff: datetime) -> int:
    if table != forgetting.NAMES:
        return await forgetting.count_old(session, table, cutoff)
    total, place = 0, NameKey()
    end: NameKey | None = place
    while end is not None:
        end, names = await forgetting.old_names(session, end, cutoff)
        total += len(names)
    return total


def _named(holder: Holder) -> dict[str, object]:
    return {
        "run_id": None if holder.run_id is None else str(holder.run_id),
        "others": holder.others,
        "automation": holder.automation,
        "step": holder.step_key,
        "looks_back_to": holder.looks_back_to,
    }


async def _audit(session: Session, old: OldRows, who: str) -> None:
    action = Action(who, await database_now(session))
    after = {"older_than": moment_text(old.cutoff), "rows": old.total}
    await record(session, action, "retention.forget", old.table, (None, after))

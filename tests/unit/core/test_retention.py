"""Which leaves go, and what holds the others: judged without a database."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from handlers.publishing.catalogue import compile_catalogue
from handlers.retention import Judge, judge_leaf, reach, spanning_versions
from state.automation import Catalogue
from state.retention import Family, LiveRuns, Periods, StoredLeaf
from tests.kit import NOW, Document, ago, automation_id, delay, email, line, stored_version, wait

PERIODS = Periods(timedelta(days=14), timedelta(days=400), timedelta(days=90))
SLACK = timedelta(seconds=5)
TICK = timedelta(microseconds=1)
RUN = UUID(int=7)


def catalogue(*documents: Document) -> Catalogue:
    return compile_catalogue(1, [stored_version(each) for each in documents], {})


def judge(*documents: Document, now: datetime = NOW) -> Judge:
    return Judge(PERIODS, SLACK, catalogue(*documents), now)


def leaf(
    upper: datetime, newest_v: datetime | None = None, family: Family = "events"
) -> StoredLeaf:
    return StoredLeaf(family, "l", upper - timedelta(days=7), upper, 10, 8192, newest_v=newest_v)


def runs(counted_from: datetime, step_key: str = "opened", total: int = 1) -> LiveRuns:
    return LiveRuns(automation_id(), 1, step_key, counted_from, RUN, total)


LOOKING = line(email("mail"), wait("opened", "open"))


@pytest.mark.parametrize(("family", "days"), [("events", 14), ("runs_done", 400)])
def test_a_leaf_is_kept_for_its_period_after_its_end(family: Family, days: int) -> None:
    """O5: not a moment less, and no longer."""
    upper = ago(days=days)
    young = judge_leaf(judge(now=NOW), leaf(upper, family=family), [])
    assert (young.verdict, young.due_at) == ("young", NOW)
    assert judge_leaf(judge(now=NOW + TICK), leaf(upper, family=family), []).verdict == "drop"


def test_an_event_that_is_younger_by_v_keeps_its_leaf_for_those_who_start_now() -> None:
    """O5, E4: a trigger may be as old as event ids are remembered; its waits look back to it."""
    newest = ago(days=14) - SLACK
    assert judge_leaf(judge(), leaf(ago(days=20), newest), []).verdict == "young"
    assert judge_leaf(judge(), leaf(ago(days=20), newest - TICK), []).verdict == "drop"


def test_a_leaf_is_held_while_a_live_run_looks_back_into_it_to_the_tick() -> None:
    """O5, W2: floors lie the slack below the trigger's V, and the newest V of the leaf counts."""
    newest = ago(days=20)
    held = judge_leaf(judge(LOOKING), leaf(ago(days=18), newest), [runs(newest + SLACK)])
    assert held.verdict == "held"
    assert held.holder is not None
    assert (held.holder.run_id, held.holder.automation, held.holder.step_key) == (
        RUN,
        "A",
        "opened",
    )
    assert (held.holder.looks_back_to, held.holder.others) == (newest, 0)
    free = judge_leaf(judge(LOOKING), leaf(ago(days=18), newest), [runs(newest + SLACK + TICK)])
    assert free.verdict == "drop"


def test_the_one_that_looks_back_farthest_is_named_and_the_others_are_counted() -> None:
    """O5: it says which run holds which leaf."""
    newest = ago(days=20)
    first = runs(ago(days=30), "mail", total=3)._replace(run_id=UUID(int=1))
    others = [runs(ago(days=21), total=4), runs(ago(days=19), total=100)]
    judged = judge_leaf(judge(LOOKING), leaf(ago(days=18), newest), [*others, first])
    assert judged.holder is not None
    assert (judged.holder.run_id, judged.holder.step_key) == (UUID(int=1), "mail")
    assert judged.holder.others == 6


def test_nothing_holds_a_leaf_whose_events_are_all_older_than_35_days() -> None:
    """O5, W2: no wait looks back farther, whatever its run began with."""
    oldest = runs(ago(days=300))
    edge = ago(days=35)
    assert judge_leaf(judge(LOOKING), leaf(ago(days=34), edge), [oldest]).verdict == "held"
    assert judge_leaf(judge(LOOKING), leaf(ago(days=34), edge - TICK), [oldest]).verdict == "drop"
    assert judge_leaf(judge(LOOKING), leaf(ago(days=34)), [oldest]).verdict == "drop"


def test_a_run_looks_back_only_while_a_wait_is_at_its_step_or_ahead_of_it() -> None:
    """O5: a merge lets an open wait look again (I3); one behind the last wait looks no more."""
    past = line(email("mail"), wait("opened", "open"), delay("rest", "1 day"), email("last"))
    since = ago(days=20)
    judged = {
        key: reach(judge(past), runs(since, key))
        for key in ("start", "mail", "opened", "rest", "last")
    }
    looks = since - SLACK
    assert judged == {"start": looks, "mail": looks, "opened": looks, "rest": None, "last": None}


def test_a_run_with_exit_rules_looks_back_wherever_it_stands() -> None:
    """O5, S3, I3: a merge may bring an event that had ended it, from its trigger on."""
    exiting = line(delay("rest", "1 day"), email("last"), exit=[{"event": "refund"}])
    since = ago(days=20)
    assert {reach(judge(exiting), runs(since, key)) for key in ("rest", "last")} == {since - SLACK}
    assert reach(judge(exiting), runs(ago(days=300), "rest")) == ago(days=35)
    plain = line(delay("rest", "1 day"), email("last"))
    assert reach(judge(plain), runs(since, "rest")) is None


def test_a_wait_that_looks_back_a_span_counts_from_whenever_it_is_entered() -> None:
    """O5, W2: its run may have begun after everything that it will ask for."""
    spanning = line(email("mail"), wait("opened", "open", since="20 days"))
    others = line(wait("opened", "open"), name="B")
    found = spanning_versions(catalogue(spanning, others))
    assert [version.automation_name for version in found] == ["A"]
    assert reach(judge(spanning), runs(ago(days=1), "mail")) == ago(days=20) - SLACK
    assert reach(judge(spanning), runs(ago(days=25), "mail")) == ago(days=25) - SLACK
    held = judge_leaf(judge(spanning), leaf(ago(days=16), ago(days=19)), [runs(ago(days=1))])
    assert held.holder is not None
    assert held.holder.run_id == RUN


def test_runs_that_are_still_to_start_hold_what_their_waits_will_look_back_to() -> None:
    """O5, W2: without one of them alive, a dropped leaf would still be missed by the next."""
    spanning = line(wait("opened", "open", since="20 days"))
    held = judge_leaf(judge(spanning), leaf(ago(days=16), ago(days=19)), [])
    assert held.verdict == "held"
    assert held.holder is not None
    assert (held.holder.run_id, held.holder.automation, held.holder.step_key) == (
        None,
        "A",
        "opened",
    )
    assert judge_leaf(judge(spanning), leaf(ago(days=21), ago(days=21)), []).verdict == "drop"
    farther = line(wait("opened", "open", since="100 days"))
    assert judge_leaf(judge(farther), leaf(ago(days=36), ago(days=36)), []).verdict == "drop"


def test_a_version_that_is_not_known_may_look_back_as_far_as_any() -> None:
    """O5: rather held too long than dropped too early."""
    assert reach(judge(), runs(ago(days=1))) == ago(days=35)


def test_finished_runs_are_held_by_nobody() -> None:
    """O5, R4: their history is their own."""
    old = leaf(ago(days=401), family="runs_done")
    assert judge_leaf(judge(LOOKING), old, [runs(ago(days=402))]).verdict == "drop"


@pytest.mark.parametrize(("since", "days"), [("20 days", 20), ("P20D", 21), ("P1M", 32)])
def test_a_span_by_the_calendar_is_taken_at_its_longest(since: str, days: int) -> None:
    """O5, T1: in whatever zone its contact lives, and whichever months it covers."""
    spanning = line(wait("opened", "open", since=since))
    assert reach(judge(spanning), runs(NOW, "start")) == ago(days=days) - SLACK

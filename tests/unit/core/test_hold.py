"""Timeouts wait for everything that was in the topics when they fell due."""

from datetime import timedelta

import pytest

from handlers.hold import judge_lag
from handlers.timer import TimerDue
from handlers.world import Rules
from tests.kit import (
    NOW,
    PLAIN,
    START,
    Scene,
    ago,
    ahead,
    delay,
    drawn,
    effects,
    event,
    line,
    push,
    wait,
    way,
)

DUE = ahead(hours=1)
CAP = timedelta(minutes=15)
WAITING = line(
    wait("w", "answer", timeout="1 hour"),
    push("yes"),
    aside=[push("no")],
    ways=[way("w", "no", "timeout")],
)


def verdict(*partitions, at=DUE) -> str:
    return judge_lag(partitions, DUE, at, CAP)


# --- the judgement --------------------------------------------------------------------------------


def test_a_timer_fires_when_every_partition_was_consumed_up_to_its_due_instant():
    """W4: the minimum of `low` over all partitions >= deadline + grace."""
    assert verdict(drawn(DUE), drawn(ahead(hours=2), number=1)) == "fire"
    assert verdict(drawn(DUE), drawn(DUE - timedelta(microseconds=1), number=1)) == "hold"


def test_nothing_is_known_of_a_stream_without_partitions():
    """W4: no partition at all holds."""
    assert verdict() == "hold"


@pytest.mark.parametrize("advanced_at", [None, START])
@pytest.mark.parametrize("days", [0, 1, 300])
def test_a_partition_never_consumed_holds_without_limit(days, advanced_at):
    """W4: the cap does not count for it."""
    never = drawn(None, number=1, advanced_at=advanced_at)
    assert verdict(drawn(DUE), never, at=DUE + timedelta(days=days)) == "hold"


@pytest.mark.parametrize("which", ["lagging", "other"])
def test_an_unowned_or_paused_partition_holds_without_limit(which):
    """W4: whether it is the lagging one or another."""
    lagging = drawn(ago(hours=1), resumed_since=None if which == "lagging" else START)
    other = drawn(ahead(days=9), number=1, resumed_since=None if which == "other" else START)
    assert verdict(lagging, other, at=DUE + timedelta(days=9)) == "hold"


def test_a_catching_up_partition_holds_without_limit():
    """W4: it advanced lately, so it is not the one that does not advance."""
    at = DUE + timedelta(days=9)
    behind = drawn(ago(hours=1), advanced_at=at - CAP + timedelta(seconds=1))
    assert verdict(behind, at=at) == "hold"


@pytest.mark.parametrize(("late", "said"), [(0, "fire_under_lag"), (-1, "hold")])
def test_the_cap_fires_a_timer_that_a_standing_partition_holds(late, said):
    """W4: owned, resumed, and not advancing for the whole cap: `fired_under_lag`."""
    stuck = drawn(ago(hours=1))
    at = DUE + CAP + timedelta(seconds=late)
    assert verdict(stuck, drawn(at, number=1), at=at) == said


@pytest.mark.parametrize("since", ["resumed", "advanced"])
def test_the_cap_counts_only_while_everything_is_owned_and_resumed(since):
    """W4: from the last resumption of any partition, or from the last progress of the stuck one."""
    lately = DUE + timedelta(minutes=10)
    stuck = drawn(ago(hours=1), advanced_at=lately if since == "advanced" else START)
    other = drawn(ahead(days=1), number=1, resumed_since=lately if since == "resumed" else START)
    assert verdict(stuck, other, at=DUE + CAP) == "hold"
    assert verdict(stuck, other, at=lately + CAP) == "fire_under_lag"


def test_one_partition_that_catches_up_holds_for_those_that_stand():
    """W4: all that lag must stand still."""
    at = DUE + timedelta(hours=9)
    stuck, moving = drawn(ago(hours=1)), drawn(ago(hours=1), number=1, advanced_at=at)
    assert verdict(stuck, moving, at=at) == "hold"


# --- what the run shows ---------------------------------------------------------------------------


def held() -> Scene:
    """Return a scene whose timer is due and held by a partition that nobody owns."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    scene.partitions(drawn(ago(hours=1), resumed_since=None))
    changes = scene.at(ahead(hours=1, seconds=2)).fire_due()
    assert changes.tally["timers_held"] == 1
    return scene


def test_a_timer_held_for_a_moment_is_on_time_and_says_nothing():
    """W4, T2: lows follow the clock by a fraction of a second; that is no lag."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    scene.partitions(drawn(ago(hours=1)))
    assert scene.at(ahead(hours=1, seconds=1)).fire_due().runs == []
    scene.at(ahead(hours=1, seconds=1)).consumed_to(ahead(hours=1))
    scene.fire_due()
    assert scene.waits()[0]["held_for_lag"] is False


def test_a_held_timer_says_so_once_and_stays_due():
    """W4: `held_for_lag` on the run; nothing else happens, however often it is looked at."""
    scene = held()
    assert scene.run.parked.is_held
    assert scene.at(ahead(hours=2)).fire_due().runs == []


def test_a_held_timer_fires_when_the_lag_is_gone():
    """W4: and the wait keeps saying that it was held."""
    scene = held()
    scene.at(ahead(hours=3)).consumed_to(ahead(hours=1))
    assert effects(scene.fire_due()) == ["no"]
    assert scene.waits()[0]["held_for_lag"] is True
    assert scene.waits()[0]["fired_under_lag"] is False


def test_an_answer_in_the_backlog_beats_the_timeout_that_was_held():
    """W4, W3: during an outage nobody is sent a reminder for what they have already done."""
    scene = held()
    changes = scene.at(ahead(hours=2)).decide(event("answer", ahead(minutes=59)))
    assert effects(changes) == ["yes"]
    scene.consumed_to(ahead(hours=9))
    assert scene.fire_due().runs == []


def test_a_timer_fired_by_the_cap_says_so():
    """W4: `fired_under_lag`."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    scene.at(DUE + CAP).partitions(drawn(ago(hours=1)))
    changes = scene.fire_due()
    assert effects(changes) == ["no"]
    assert scene.waits()[0]["fired_under_lag"] is True
    assert changes.tally["timers_fired_under_lag"] == 1


def test_a_delay_is_held_only_if_its_run_has_exit_rules():
    """T2: a delay is lag-held, without grace, only then."""
    rules = Rules(grace=timedelta(seconds=30))
    for exits, activity in (([], None), ([{"event": "refund"}], "delayed")):
        scene = Scene(line(delay("d", "1 hour"), exit=exits), rules=rules)
        scene.decide(event("go"))
        scene.partitions(drawn(ahead(minutes=59), resumed_since=None))
        scene.at(ahead(hours=1)).fire_due()
        assert scene.run.activity == activity
        scene.consumed_to(ahead(hours=1))
        scene.fire_due()
        assert scene.run.status == "completed"


def test_a_timer_never_fires_early():
    """T2: not a microsecond before its instant, though somebody asks."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    run = scene.run
    scene.at(DUE - timedelta(microseconds=1))
    assert scene.decide(TimerDue(run.contact_id, run.run_id)).runs == []
    assert effects(scene.at(DUE).decide(TimerDue(run.contact_id, run.run_id))) == ["no"]


def test_the_grace_counts_with_the_deadline():
    """W4: low >= deadline + grace."""
    scene = Scene(WAITING, rules=Rules(grace=timedelta(seconds=30), slack=PLAIN.slack))
    scene.decide(event("go"))
    scene.at(ahead(hours=1, minutes=1)).consumed_to(ahead(hours=1, seconds=29))
    assert scene.fire_due().tally["timers_held"] == 1
    scene.consumed_to(ahead(hours=1, seconds=30))
    assert effects(scene.fire_due()) == ["no"]


def test_timers_of_runs_that_went_on_do_nothing():
    """W5: a sweep that comes too late finds nothing to do."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    stale = TimerDue(scene.run.contact_id, scene.run.run_id)
    scene.decide(event("answer", NOW))
    assert scene.at(ahead(hours=9)).decide(stale).runs == []
    scene.settle()
    assert scene.decide(stale).runs == []

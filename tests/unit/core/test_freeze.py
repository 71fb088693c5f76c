"""T3: a freeze moves every deadline that has not passed by the time that it lasts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from handlers.world import Rules
from state.pausing import FREEZES_KEPT, NEVER_PAUSED, Freeze, Pausing
from tests.kit import NOW, Scene, ahead, delay, effects, email, event, line, verdicts
from tests.unit.core.test_pause import WAITING, paused, released
from tests.unit.core.test_record import record


def deadline(scene: Scene) -> str:
    return scene.waits()[0]["deadline"][11:19]


def test_a_freeze_moves_the_deadline_by_its_length():
    """T3: frozen from 10:01 to 15:01, the deadline 11:00 is 16:00; its row is parked anew once."""
    scene = paused(mode="freeze")
    assert scene.at(ahead(hours=4)).fire_due().runs == []
    released(scene, ahead(hours=5, minutes=1))
    changes = scene.fire_due()
    assert (effects(changes), changes.tally["timers_moved"]) == ([], 1)
    assert scene.run.parked.due_at == ahead(hours=6)
    assert scene.fire_due().runs == []
    assert scene.at(ahead(hours=6) - timedelta(microseconds=1)).fire_due().runs == []
    assert effects(scene.at(ahead(hours=6)).fire_due()) == ["no"]
    assert deadline(scene) == "16:00:00"
    assert scene.waits()[0]["frozen_seconds"] == 5 * 3600


def test_a_freeze_moves_a_delay_too():
    """T3: an hour's delay lasts an hour of unfrozen time."""
    scene = paused(line(delay("d", "1 hour"), email("m")), mode="freeze")
    released(scene, ahead(minutes=31))
    assert effects(scene.at(ahead(hours=1)).fire_due()) == []
    assert effects(scene.at(ahead(hours=1, minutes=30)).fire_due()) == ["m"]


def test_an_event_of_the_freeze_is_in_time_after_the_deadline_as_it_stood():
    """T3, W3: while time stands still, no deadline passes."""
    scene = paused(mode="freeze")
    changes = scene.at(ahead(hours=8)).decide(event("answer", ahead(hours=8)))
    assert verdicts(changes) == ["kept"]
    assert effects(released(scene).fire_due()) == ["yes"]


@pytest.mark.parametrize(
    ("minutes", "verdict"), [(119, "resumed"), (120, "resumed"), (121, "after_deadline")]
)
def test_after_a_freeze_events_are_held_against_the_deadline_that_was_moved(minutes, verdict):
    """T3, W3: whether or not the row was parked anew meanwhile."""
    for sweeps in (True, False):
        scene = paused(mode="freeze")
        released(scene, ahead(minutes=61))
        if sweeps:
            scene.at(ahead(minutes=90)).fire_due()
        scene.at(ahead(minutes=130))
        assert verdicts(scene.decide(event("answer", ahead(minutes=minutes)))) == [verdict]


def test_a_deadline_that_had_passed_before_the_freeze_stays_passed():
    """T3, W3: only what the freeze interrupted is moved; the timeout waits for the release."""
    scene = Scene(WAITING)
    scene.decide(event("go"))
    scene.at(ahead(hours=1)).pause("freeze")
    changes = scene.at(ahead(hours=3)).decide(event("answer", ahead(hours=2)))
    assert verdicts(changes) == ["after_deadline"]
    assert effects(released(scene).fire_due()) == ["no"]
    assert deadline(scene) == "11:00:00"


def test_several_freezes_add_up_each_as_the_deadline_stood_by_then():
    """T3: the second begins after the first deadline, and before the moved one."""
    scene = paused(mode="freeze")
    released(scene, ahead(minutes=31))  # 30 minutes: the deadline is 11:30
    scene.at(ahead(minutes=80)).pause("freeze")
    released(scene, ahead(minutes=100))  # 20 minutes: it is 11:50
    scene.at(ahead(minutes=110)).pause("freeze")  # at the deadline, no more
    released(scene, ahead(minutes=200))
    assert effects(scene.fire_due()) == ["no"]
    assert deadline(scene) == "11:50:00"


def test_a_freeze_that_was_over_before_the_wait_opened_moves_nothing():
    """T3: nor one that began after the wait had closed."""
    scene = Scene(WAITING)
    scene.pause("freeze")
    released(scene, ahead(minutes=30))
    scene.decide(event("go", ahead(minutes=30)))
    assert effects(scene.at(ahead(minutes=90)).fire_due()) == ["no"]
    assert scene.waits()[0]["frozen_seconds"] == 0


def test_what_is_written_between_freezes_keeps_what_was_moved():
    """T3: a late match is noted on the wait with the shift so far, and later ones add to it."""
    scene = paused(mode="freeze")
    released(scene, ahead(minutes=31))
    late = event("answer", ahead(minutes=91), recorded_at=ahead(minutes=88))
    assert verdicts(scene.at(ahead(minutes=88)).decide(late)) == ["after_deadline"]
    assert scene.run.parked.frozen == timedelta(minutes=30)
    scene.pause("freeze")
    released(scene, ahead(minutes=98)).fire_due()
    assert effects(scene.at(ahead(minutes=100)).fire_due()) == ["no"]
    assert scene.waits()[0]["frozen_seconds"] == 40 * 60


def test_the_grace_moves_with_the_deadline():
    """T3, W4: what was not due for want of grace only stays so."""
    rules = Rules(grace=timedelta(seconds=30))
    scene = paused(mode="freeze", rules=rules)
    released(scene, ahead(minutes=11))
    assert effects(scene.at(ahead(minutes=70, seconds=29)).fire_due()) == []
    assert effects(scene.at(ahead(minutes=70, seconds=30)).fire_due()) == ["no"]


def test_a_hold_that_becomes_a_freeze_moves_deadlines_from_then_on():
    """T3: and a freeze that becomes a hold stops moving them, without letting anything go."""
    scene = paused()
    scene.at(ahead(minutes=10)).pause("freeze")
    scene.at(ahead(minutes=30)).pause("hold")
    released(scene, ahead(minutes=40)).fire_due()
    assert effects(scene.at(ahead(minutes=80)).fire_due()) == ["no"]
    assert deadline(scene) == "11:20:00"


# --- what is told ---------------------------------------------------------------------------------


def told(scene: Scene) -> dict[str, Any]:
    """Return the run's record as it is read from the tables, with its one wait."""
    return dict(record(scene, pausing=scene.tables.definitions[0].pausing))


def test_the_record_shows_the_deadline_that_was_moved_though_its_row_was_not():
    """T3, R4: with the shift beside it, so that the deadline as drawn is not lost."""
    scene = paused(mode="freeze")
    now = told(scene)
    assert (now["held"], now["paused_since"]) == ("freeze", "2026-11-22T10:01:00.000000Z")
    assert now["waits"][0]["deadline"] == "2026-11-22T11:00:00.000000Z"
    later = told(released(scene, ahead(minutes=31)))
    assert (later["held"], later["paused_since"]) == (None, None)
    assert later["waits"][0]["deadline"] == "2026-11-22T11:30:00.000000Z"
    assert later["waits"][0]["frozen_seconds"] == 1800
    assert scene.run.parked.deadline == ahead(hours=1)


def test_a_run_that_has_ended_is_not_held():
    """T3, R3: whatever becomes of its automation."""
    scene = paused(mode="hold")
    scene.decide(event("refund", ahead(minutes=1)))
    assert told(scene)["held"] is None


# --- the reckoning --------------------------------------------------------------------------------

minutes = st.integers(0, 60)
instants = st.lists(minutes, max_size=8, unique=True)


def at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def by_the_minute(entered: int, length: int, freezes: list[tuple[int, int]]) -> int:
    """Count the minutes that were not frozen, one after the other, until the time is over."""
    now = entered
    while length:
        length -= not any(since <= now < until for since, until in freezes)
        now += 1
    return now


@given(
    entered=minutes, length=st.integers(1, 60), bounds=st.lists(minutes, max_size=8, unique=True)
)
@settings(max_examples=500)
def test_a_deadline_is_where_counting_the_unfrozen_minutes_ends(entered, length, bounds):
    """T3: whatever freezes there were, before, during and after; the last may still last."""
    ordered = sorted(bounds)
    pairs = list(zip(ordered[::2], ordered[1::2], strict=False))
    pausing = Pausing(freezes=tuple(Freeze(at(since), at(until)) for since, until in pairs))
    shift = pausing.shift(at(entered + length), at(entered), None)
    assert at(entered + length) + shift == at(by_the_minute(entered, length, pairs))
    if len(ordered) % 2:
        since, now = ordered[-1], 90
        lasting = Pausing("freeze", at(since), pausing.freezes)
        shift = lasting.shift(at(entered + length), at(entered), at(now))
        end = by_the_minute(entered, length, [*pairs, (since, now)])
        assert at(entered + length) + shift == at(end)


def test_freezes_are_forgotten_that_no_run_can_remember():
    """T3, R2: a run lives for 400 days."""
    pausing = NEVER_PAUSED.begun("freeze", NOW).ended(ahead(hours=1))
    assert pausing.freezes == (Freeze(NOW, ahead(hours=1)),)
    later = pausing.begun("hold", NOW + FREEZES_KEPT).ended(NOW + FREEZES_KEPT)
    assert later.freezes == pausing.freezes
    after = ahead(hours=1) + FREEZES_KEPT
    assert pausing.begun("hold", after).ended(after) == NEVER_PAUSED

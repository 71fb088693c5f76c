"""From when on a wait sees events: each form of `since` at its border, and what cuts it."""

from datetime import datetime, timedelta

import pytest

from handlers.world import Rules
from tests.kit import NOW, Scene, ago, ahead, delay, event, line, push, verdicts, wait

TICK = timedelta(microseconds=1)
#: The run starts at NOW, its delay ends an hour later; then the push is sent and answered at once.
PARKED_AT = ahead(hours=1)

#: Each form, and the oldest V that a wait parked at PARKED_AT sees without slack.
FLOORS = [
    (None, NOW),
    ("previous_step", PARKED_AT),
    ("now", PARKED_AT),
    ("20 minutes", ahead(minutes=40)),
    ("2 hours", ago(hours=1)),
    ("PT90M", ago(minutes=30)),
]


def parked(since: str | None, *before: datetime, rules: Rules, interest: datetime) -> Scene:
    """Return a scene whose run waits since PARKED_AT; `before` are answers stored until then."""
    config = {} if since is None else {"since": since}
    scene = Scene(
        line(delay("d", "1 hour"), push("p"), wait("w", "answer", **config)),
        rules=rules,
        interest_since=interest,
    )
    scene.decide(event("go"))
    scene.at(PARKED_AT).fire_due()
    for v in before:
        scene.decide(event("answer", v))
    scene.settle()
    return scene


@pytest.mark.parametrize(("since", "floor"), FLOORS)
@pytest.mark.parametrize("slack", [timedelta(0), timedelta(seconds=5)])
@pytest.mark.parametrize(("below", "sees"), [(timedelta(0), True), (TICK, False)])
def test_each_form_sees_stored_events_from_its_floor_on(since, floor, slack, below, sees):
    """W2: `previous_step`, `now`, a duration, or the run's start; the slack lies below it."""
    scene = parked(since, floor - slack - below, rules=Rules(slack=slack), interest=ago(days=99))
    assert (scene.run.status == "completed") == sees


@pytest.mark.parametrize(("since", "floor"), FLOORS)
@pytest.mark.parametrize("slack", [timedelta(0), timedelta(seconds=5)])
@pytest.mark.parametrize(("below", "verdict"), [(timedelta(0), "resumed"), (TICK, "before_window")])
def test_the_floor_of_each_form_binds_live_events_too(since, floor, slack, below, verdict):
    """W2: below the floor: `before_window`."""
    scene = parked(since, rules=Rules(slack=slack), interest=ago(days=99))
    assert scene.run.parked.floor == floor - slack
    assert not scene.run.parked.is_truncated
    assert verdicts(scene.decide(event("answer", floor - slack - below))) == [verdict]


def test_since_the_previous_step_counts_from_the_entry_of_a_step_that_took_time():
    """W2: of the step before the wait: from when the run stood at it, not from when it ended."""
    scene = Scene(line(delay("d", "1 hour"), wait("w", "answer", since="previous_step")))
    scene.decide(event("go"))
    scene.at(PARKED_AT).fire_due()
    assert scene.run.parked.floor == NOW


def test_the_previous_step_of_a_first_wait_is_the_trigger_at_its_v():
    """W2: what happened between the trigger and its processing is seen."""
    scene = Scene(line(wait("w", "answer", since="previous_step")))
    scene.decide(event("go", ago(minutes=9)))
    assert scene.run.parked.floor == ago(minutes=9)


@pytest.mark.parametrize("since", ["40 days", "3024001 seconds", None])
@pytest.mark.parametrize(("below", "sees"), [(timedelta(0), True), (TICK, False)])
def test_no_wait_sees_further_back_than_35_days(since, below, sees):
    """W2: and the cut is said: `lookback_truncated`; the slack does not reach behind it."""
    config = {} if since is None else {"since": since}
    document = line(delay("d", "40 days"), wait("w", "answer", **config))
    scene = Scene(document, rules=Rules(), interest_since=ago(days=99))
    scene.decide(event("go"))
    scene.at(ahead(days=40))
    scene.decide(event("answer", ahead(days=5) - below))
    scene.fire_due()
    assert (scene.run.status == "completed") == sees
    truncated = scene.waits()[0]["lookback_truncated"] if sees else scene.run.parked.is_truncated
    assert truncated is True


@pytest.mark.parametrize(
    ("interest", "truncated"), [(NOW, False), (NOW + TICK, True), (ago(days=1), False)]
)
def test_a_floor_above_the_age_of_the_interest_is_not_cut(interest, truncated):
    """W2: truncated means that the floor itself was cut, not its slack."""
    scene = parked(None, rules=Rules(), interest=interest)
    assert scene.run.parked.is_truncated is truncated
    assert scene.run.parked.floor == max(interest, NOW - Rules().slack)

"""A naive model of waits and starts agrees with the engine on random streams, however cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from handlers import admit, arrival, match, waits
from tests.property import naive
from tests.property.engine import Engine, at
from tests.property.plain import Run, Wait
from tests.property.stories import BACK_MAX, CAP, Story, stories

#: Every verdict that the model knows, which the streams must all come to.
VERDICTS = frozenset(
    {
        *("started", "exited_before_start", "stopped", "before_enabled", "too_old", "once"),
        *("one_active", "reentry_too_soon", "key_absent", "key_active", "capped"),
        *("resumed", "arm_met", "already_met", "not_delivered", "before_window"),
        *("after_deadline", "late_arrival", "filter_false", "exited"),
    }
)
#: How runs and waits end, and how they came to it.
ENDS = frozenset(
    {
        *("completed_end", "completed_no_branch", "exited_rule", "exited_before_start", "running"),
        *("received", "timed_out", "cancelled", "waiting", "look_back", "any_of", "all_of"),
    }
)


# --- the property ---------------------------------------------------------------------------------


def plain_runs(runs: Sequence[Run]) -> dict[tuple[str, str], object]:
    """Return the model's runs as `Engine.runs` tells the engine's."""
    return {
        (run.automation.name, run.trigger.id): (run.reason, [plain_wait(one) for one in run.waits])
        for run in runs
    }


def plain_wait(wait: Wait) -> object:
    is_listed = wait.step.group != "single"
    places = range(len(wait.step.arms)) if is_listed else ()
    met = [wait.met[place].id if place in wait.met else None for place in places]
    by = None if wait.by is None else wait.by.id
    return (wait.step.key, wait.status, wait.branch, by, met, wait.late)


@contextmanager
def small_limits() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admit, "ACTIVE_RUNS_MAX", CAP)
        patch.setattr(waits, "LOOK_BACK_MAX", timedelta(minutes=BACK_MAX))
        yield patch


def check(story: Story) -> Counter[str]:
    """Tell both the story; return how often each verdict and ending came up."""
    model, engine = naive.Naive(story.automations, story.rules), Engine(story)
    seen: Counter[str] = Counter()
    for moment in story.moments:
        events = tuple(one for one in moment.events if one.name in engine.interests)
        expected = [model.apply(one, moment.now) for one in events]
        model.tick(moment.now)
        found = engine.apply(moment._replace(events=events))
        for said, mine, its in zip(events, expected, found, strict=True):
            assert sorted(mine, key=repr) == sorted(its, key=repr), said
            seen.update(verdict for *_, verdict in mine)
    assert plain_runs(model.runs) == engine.runs()
    for run in model.runs:
        seen[run.reason or "running"] += 1
        for wait in run.waits:
            seen[wait.status] += 1
            seen[wait.step.group] += wait.status == "received"
            seen["look_back"] += wait.status == "received" and wait.closed == wait.opened
    return seen


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stories)
def test_the_naive_model_agrees_with_the_engine(story):
    """W1, W2, W3, W5, W6, W7, S1, S2, S3, D1: verdicts, runs and waits, however it is cut."""
    with small_limits():
        check(story)


def told(
    examples: int, install: Callable[[pytest.MonkeyPatch], None] | None = None
) -> Counter[str]:
    """Check so many stories, always the same; return in how many each verdict came up."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
        report_multiple_bugs=False,
    )
    @given(stories)
    def tell(story: Story) -> None:
        seen.update(set(check(story)))

    with small_limits() as patch:
        if install is not None:
            install(patch)
        tell()
    return seen


def test_the_stories_come_to_every_verdict(record_property):
    """What is never reached is not agreed on: each verdict and ending is in some of 300 stories."""
    seen = told(300)
    record_property("stories by verdict", dict(seen.most_common()))
    assert sorted((VERDICTS | ENDS) - seen.keys()) == []


def test_the_model_is_short():
    """It is to be believed by reading it."""
    assert len(Path(naive.__file__).read_text().splitlines()) <= 200


# --- it can fail ----------------------------------------------------------------------------------


def deadlines_exclude_their_instant(patch: pytest.MonkeyPatch) -> None:
    real = waits.judge

    def judge(world: Any, run: Any, waiting: Any, event_: Any) -> Any:
        found = real(world, run, waiting, event_)
        is_last = found.arm is not None and event_.v == waiting.deadline
        return waits.Judgement("after_deadline") if is_last else found

    patch.setattr(waits, "judge", judge)
    patch.setattr(match, "judge", judge)


def the_floor_does_not_bind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waits, "floor_for", lambda *_: at(-10_000))


def the_newest_stored_event_wins(patch: pytest.MonkeyPatch) -> None:
    real = waits._candidates
    patch.setattr(waits, "_candidates", lambda *given_: real(*given_)[::-1])


def deliver_is_swapped(patch: pytest.MonkeyPatch) -> None:
    real = match._chosen
    patch.setattr(match, "_chosen", lambda judged: real(judged[::-1]))


def early_exits_are_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(arrival, "early_exit", lambda *_: None)


def an_arm_once_met_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = arrival.apply_hit
    patch.setattr(
        arrival, "apply_hit", lambda world, hit, found: real(world, hit, found) if
        hit.verdict == "resumed" else None)  # fmt: skip


@pytest.mark.parametrize(
    "install",
    [
        deadlines_exclude_their_instant,
        the_floor_does_not_bind,
        the_newest_stored_event_wins,
        deliver_is_swapped,
        early_exits_are_ignored,
        an_arm_once_met_is_forgotten,
    ],
    ids=lambda install: install.__name__,
)
def test_the_model_finds_an_engine_that_is_wrong(install):
    """A bug put into the engine for a while is disagreed on in some of 300 stories."""
    with pytest.raises(AssertionError):
        told(300, install)

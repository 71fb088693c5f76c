"""Every ending there is, and how a run comes to it: R2."""

from collections.abc import Callable

import pytest

from handlers.abandon import Abandon
from handlers.ending import Cancel, Expire
from state.run import STATUS_OF
from tests.kit import Scene, ahead, contact_event, delay, event, line, push, wait

EXITS = [{"event": "refund"}, {"event": "bought", "goal": True}]


def started(*steps, **more) -> Scene:
    scene = Scene(line(*steps, **more))
    scene.decide(event("go"))
    return scene


def came_to_its_end() -> Scene:
    scene = started(push("p"))
    scene.settle()
    return scene


def had_no_branch() -> Scene:
    scene = started(wait("w", "answer", timeout="1 hour"), push("p"))
    scene.at(ahead(hours=1)).fire_due()
    return scene


def exited(name: str) -> Scene:
    scene = started(delay("d", "1 day"), exit=EXITS)
    scene.decide(event(name, ahead(minutes=1)))
    return scene


def exited_before_it_began() -> Scene:
    scene = Scene(line(delay("d", "1 day"), exit=EXITS))
    scene.decide(event("refund", ahead(minutes=1)))
    scene.at(ahead(minutes=2)).decide(event("go", ahead(seconds=1)))
    return scene


def failed() -> Scene:
    scene = started(push("p"))
    scene.settle("failed", code="refused")
    return scene


def was_given_up() -> Scene:
    scene = started(push("p"))
    scene.decide(Abandon(scene.run.contact_id, scene.run.run_id, "KeyError"))
    return scene


def was_cancelled(**more) -> Scene:
    scene = started(delay("d", "1 day"))
    scene.decide(Cancel(scene.run.contact_id, scene.run.run_id, "cli:ann@desk", **more))
    return scene


def grew_old() -> Scene:
    scene = started(wait("w", "answer"))
    scene.at(ahead(days=400)).decide(Expire(scene.run.contact_id, scene.run.run_id))
    return scene


def was_deleted() -> Scene:
    scene = started(delay("d", "1 day"))
    scene.at(ahead(minutes=1)).decide(contact_event("deleted", ahead(minutes=1), email="ann@x.io"))
    return scene


def was_merged() -> Scene:
    scene = Scene(line(delay("d", "1 day"), reentry="one_active"))
    scene.decide(event("go", id="older", external_id="x"))
    scene.at(ahead(minutes=1)).decide(event("go", id="younger", email="ann@x.io"))
    link = event("go", ahead(minutes=2), id="link", external_id="x", email="ann@x.io")
    scene.at(ahead(minutes=2)).decide(link)
    return scene


#: Where each reason is reached in the core; a new one must be added here.
ENDINGS: dict[str, Callable[[], Scene]] = {
    "completed_end": came_to_its_end,
    "completed_no_branch": had_no_branch,
    "exited_rule": lambda: exited("refund"),
    "exited_goal": lambda: exited("bought"),
    "failed_step": failed,
    "engine_error": was_given_up,
    "cancelled_operator": was_cancelled,
    "cancelled_automation_deleted": lambda: was_cancelled(reason="cancelled_automation_deleted"),
    "contact_deleted": was_deleted,
    "merged_duplicate": was_merged,
    "expired": grew_old,
    "exited_before_start": exited_before_it_began,
}


def test_every_reason_is_reached_somewhere():
    """R2: the list is closed, and nothing in it is for show."""
    assert ENDINGS.keys() == STATUS_OF.keys()


@pytest.mark.parametrize("reason", ENDINGS)
def test_a_run_ends_for_this_reason_and_says_so(reason):
    """R2: no silent completion; each reason has the one status that belongs to it."""
    scene = ENDINGS[reason]()
    ended = [run for run in scene.runs if run.reason is not None]
    assert [(run.reason, run.status) for run in ended] == [(reason, STATUS_OF[reason])]
    assert all(run.completed_at is not None for run in ended)

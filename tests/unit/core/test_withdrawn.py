"""What a run had asked for when it was ended from outside: F3, F4, R2."""

from handlers.abandon import Abandon
from state.effect import Answer
from state.turn import Changes
from tests.kit import Scene, ahead, email, event, line, push

LEAVES = line(push("p"), push("q"), exit=[{"event": "refund"}])


def sending(document=LEAVES) -> Scene:
    scene = Scene(document)
    scene.decide(event("go"))
    return scene


def withdrawn(changes: Changes) -> list[str]:
    return [one.why for one in changes.withdrawn]


def settled(scene: Scene) -> list[tuple[str, str | None]]:
    return [(one.answer.settlement, one.answer.code) for one in scene.tables.messages.values()]


def test_a_run_that_exits_at_a_send_calls_its_message_back():
    """F3, R2: nobody claimed it, so it is skipped, with the reason of the run's ending."""
    scene = sending()
    changes = scene.decide(event("refund", ahead(seconds=1)))
    assert withdrawn(changes) == ["exited_rule"]
    assert (scene.tables.outbox, settled(scene)) == ({}, [("skipped", "exited_rule")])


def test_a_send_of_this_very_turn_is_called_back_too():
    """F3, D1: the trigger and its exit may come in one batch."""
    scene = Scene(LEAVES)
    changes = scene.decide(event("go"), event("refund", ahead(seconds=1)))
    assert withdrawn(changes) == ["exited_rule"]
    assert (scene.tables.outbox, settled(scene)) == ({}, [("skipped", "exited_rule")])


def test_a_run_that_the_engine_gives_up_at_a_send_calls_its_message_back():
    """E5, F3: what nobody waits for any more is not sent."""
    scene = sending()
    changes = scene.decide(Abandon(scene.run.contact_id, scene.run.run_id, "refused 22P05"))
    assert withdrawn(changes) == ["engine_error"]


def test_a_run_that_its_own_answer_ends_calls_nothing_back():
    """F3: neither by its last answer nor by a failure."""
    for document, settlement in ((line(push("p")), "sent"), (LEAVES, "failed")):
        scene = sending(document)
        assert scene.settle(settlement).withdrawn == []
        assert scene.run.status != "running"


def test_a_run_that_goes_on_or_waits_elsewhere_calls_nothing_back():
    scene = sending(line(email("a"), email("b")))
    assert scene.settle().withdrawn == []


def test_an_answer_after_the_end_in_the_same_turn_is_late():
    """F4: the exit comes first, the answer settles what was under way."""
    scene = sending()
    (row,) = scene.tables.outbox.values()
    row.claimed_by = "a worker"
    answer = Answer(row.effect.effect_id, row.effect.run_id, row.effect.contact_id, "sent", 1)
    scene.decide(event("refund", ahead(seconds=1)), answer)
    (message,) = scene.tables.messages.values()
    assert (message.answer.settlement, message.sent_after_cancel) == ("sent", True)

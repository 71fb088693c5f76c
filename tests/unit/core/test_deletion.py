"""People who leave and come back: what ends, what is erased, what is forgotten, what is not."""

import pytest
from msgspec.structs import replace

from state.contact import contact_uuid
from state.erasure import mentions
from state.event import Identifier
from tests.kit import (
    NOW,
    Scene,
    ago,
    ahead,
    contact_event,
    delay,
    email,
    event,
    line,
    push,
    quarantined,
    trigger,
    update,
    verdicts,
    wait,
)
from tests.people import WAITING, met

GOING = {"key": "bye", "type": "contact_delete", "config": {}}


def deleted(scene: Scene, at=None, **identifiers: str):
    said = identifiers or {"email": "ann@x.io"}
    return scene.decide(contact_event("deleted", at or scene.now, **said))


def noted(changes) -> list[str]:
    return [note.verdict for note in changes.identity_notes]


# --- runs -----------------------------------------------------------------------------------------


def test_all_runs_of_a_deleted_contact_end():
    """I5, R2: contact_deleted, wherever they stand; an open wait is cancelled."""
    scene = Scene(WAITING, line(delay("d", "1 hour"), name="B"), line(email("m"), name="C"))
    scene.decide(event("go", ago(minutes=1)))
    changes = deleted(scene)
    assert {run.reason for run in scene.runs} == {"contact_deleted"}
    assert {run.status for run in scene.runs} == {"cancelled"}
    assert [one.step_key for one in scene.tables.outbox.values()] == []
    assert noted(changes) == ["deleted"]


def test_what_a_run_tells_afterwards_is_nothing_of_the_person():
    """I5, R4: its steps, times and ending stay; payloads, outputs and identifiers do not."""
    scene = Scene(line(update("u", first_name="Ann"), wait("w", "answer")))
    scene.decide(event("go", ago(minutes=1), payload={"name": "Ann"}))
    deleted(scene)
    run = scene.run
    assert (run.trigger.payload, run.outputs, run.wait_events) == ({}, {}, {})
    assert (run.resolved.kind, run.resolved.value) == ("email", "erased")
    assert scene.path() == ["start", "u"]
    assert "Ann" not in run.past
    assert "ann@x.io" not in run.past


def test_a_finished_run_is_redacted_too():
    """I5: what ended long ago told of the person as well."""
    scene = Scene(line(update("u", first_name={"var": "event.name"})))
    scene.decide(event("go", ago(minutes=1), payload={"name": "Ann"}))
    assert scene.run.reason == "completed_end"
    deleted(scene)
    assert scene.run.reason == "completed_end"
    assert "Ann" not in scene.run.past


# --- memory ---------------------------------------------------------------------------------------


def test_a_deleted_contact_is_nobody():
    """I5: its names lead nowhere, nothing is known of it, its id names nobody."""
    scene = Scene(WAITING)
    scene.decide(contact_event("updated", ago(minutes=2), payload={"first_name": "Ann"}))
    number = scene.contact("ann@x.io")
    deleted(scene)
    assert scene.tables.owners == {}
    assert scene.tables.contacts[number].profile.fields == {}
    changes = scene.decide(event("go", ahead(seconds=1), contact_id=str(contact_uuid(number))))
    assert quarantined(changes) == ["no_usable_identifier"]


def test_who_comes_back_is_somebody_new():
    """I5, S2: with a fresh memory of re-entry, and without the old history."""
    scene = Scene(line(wait("w", "answer"), reentry="once"))
    scene.decide(event("go", ago(minutes=2), id="first"))
    number = scene.contact("ann@x.io")
    scene.decide(event("answer", ago(minutes=1), id="old answer"))
    deleted(scene)
    changes = scene.decide(event("go", ahead(seconds=1), id="second"))
    assert verdicts(changes) == ["started"]
    assert scene.contact("ann@x.io") != number
    assert scene.runs[-1].activity == "waiting"


def test_an_event_from_before_is_erased_whenever_it_comes():
    """I5: not stored, starts nothing, leaves a note; one from after is another person's."""
    scene = Scene(WAITING)
    scene.decide(event("go", ago(minutes=2), id="first"))
    deleted(scene)
    changes = scene.decide(event("go", ago(minutes=1), id="late", payload={"name": "Ann"}))
    assert (changes.events, changes.runs, changes.new_contacts) == ([], [], [])
    assert changes.tally["erased"] == 1
    assert noted(changes) == ["erased"]
    assert scene.tables.owners == {}
    scene.decide(event("go", NOW, id="at"))
    changes = scene.decide(event("go", ago(minutes=1), id="later still"))
    assert changes.tally["erased"] == 1, "the new contact's name remembers it"


@pytest.mark.parametrize("interest", [[], [line(wait("w", "email.complained"), name="B")]])
def test_a_complaint_from_before_still_suppresses_the_address(interest):
    """I5, F4: suppression survives, also the word that comes after the person went; once."""
    scene = Scene(WAITING, *interest)
    scene.decide(event("go", ago(minutes=3)))
    deleted(scene)
    complaint = event("email.complained", ago(minutes=1), email="ann@x.io")
    scene.decide(event("go", ahead(seconds=1), id="back"))
    changes = scene.decide(complaint)
    (suppression,) = changes.suppressions
    assert (suppression.address, suppression.contact_id) == ("ann@x.io", None)
    assert changes.tally["erased"] == 1


def test_a_deletion_may_come_before_what_it_deletes():
    """I5: nobody is known yet; what happened before it is erased all the same."""
    scene = Scene(WAITING)
    deleted(scene)
    changes = scene.decide(event("go", ago(minutes=1)))
    assert changes.tally["erased"] == 1
    assert scene.runs == []
    scene.decide(event("go", ahead(minutes=1), id="after"))
    assert scene.run.activity == "waiting"


def test_the_same_deletion_again_leaves_who_came_back_alone():
    """I5, E4: delivered twice, at other coordinates too; a later one deletes again."""
    scene = Scene(WAITING)
    scene.decide(event("go", ago(minutes=2), id="first"))
    deleted(scene)
    scene.decide(event("go", ahead(minutes=1), id="second"))
    changes = deleted(scene, NOW)
    assert changes.tally["redelivered"] == 1
    assert scene.runs[-1].activity == "waiting"
    deleted(scene.at(ahead(minutes=2)), ahead(minutes=2))
    assert scene.runs[-1].reason == "contact_deleted"


def test_every_name_of_the_person_is_erased():
    """I5: also those that the deletion does not name, and those that it links first."""
    scene = Scene(WAITING)
    scene.decide(event("go", ago(minutes=3), id="1", email="ann@x.io", external_id="u"))
    deleted(scene, email="ann@x.io", anonymous_id="a")
    for number, named in enumerate(({"external_id": "u"}, {"anonymous_id": "a"})):
        changes = scene.decide(event("go", ago(minutes=1), id=f"late {number}", **named))
        assert changes.tally["erased"] == 1, named


def test_a_merged_person_goes_as_a_whole():
    """I5, I3: history under every number of the merge set."""
    scene = Scene(line(wait("w", "answer", timeout="1 minute")))
    scene.decide(event("go", ago(minutes=3), id="1", anonymous_id="a", payload={"n": "Ann"}))
    scene.decide(event("answer", ago(minutes=2), id="2", email="ann@x.io", payload={"n": "Ann"}))
    met(scene, email="ann@x.io", anonymous_id="a")
    deleted(scene)
    kept = scene.tables.events.values()
    assert [(one.event.payload, one.event.identifiers) for one in kept] == [({}, ())] * 2
    assert scene.run.trigger.payload == {}


def test_a_deletion_that_makes_two_people_one_ends_the_runs_of_both():
    """I5, I3, R2: they are one person, of whom no run goes on; none is woken on the way either."""
    scene = Scene(line(wait("w", "answer"), push("p")))
    said = {"payload": {"n": "Ann"}}
    scene.decide(event("go", ago(minutes=4), id="1", email="ann@x.io", **said))
    scene.decide(event("go", ago(minutes=3), id="2", anonymous_id="a", **said))
    scene.decide(event("go", ago(minutes=3), id="3", phone="+4912345678", **said))
    scene.decide(event("answer", ago(minutes=2), id="4", phone="+4912345678"))
    assert [run.activity for run in scene.runs] == ["waiting", "waiting", "sending"]
    changes = deleted(scene, email="ann@x.io", phone="+4912345678", anonymous_id="a")
    assert {run.reason for run in scene.runs} == {"contact_deleted"}
    assert (scene.tables.outbox, changes.effects, changes.receipts) == ({}, [], [])
    assert [run.trigger.payload for run in scene.runs] == [{}, {}, {}]
    assert {one.deleted_at for one in scene.tables.contacts.values()} == {NOW}


def test_a_deletion_leaves_whom_it_may_not_join():
    """I5, I2: a name that somebody else holds, who stays apart, is that person's still."""
    scene = Scene(WAITING)
    named = {"email": "b@x.io", "external_id": "u"}
    scene.decide(event("go", ago(minutes=3), id="1", **named))
    changes = scene.decide(
        contact_event("deleted", ago(minutes=1), email="b@x.io", external_id="other"),
        event("answer", ago(minutes=2), email="b@x.io"),
    )
    (erasure,) = changes.erasures
    assert erasure.identifiers == (Identifier("external_id", "other"),)
    assert scene.run.reason == "completed_end"


def test_one_batch_deletes_as_many_do():
    """I5, D1: before, deletion, after, and late, in one turn or each in one of its own."""
    stream = [
        event("go", ago(minutes=3), id="before", payload={"n": "Ann"}),
        contact_event("deleted", ago(minutes=2)),
        event("go", ago(minutes=1), id="after"),
        event("answer", ago(minutes=4), id="late"),
        event("answer", NOW, id="answer"),
    ]
    for size in (1, 2, 5):
        scene = Scene(WAITING)
        for at in range(0, len(stream), size):
            scene.decide(*stream[at : at + size])
        reasons = {run.trigger.id: run.reason for run in scene.runs}
        assert reasons == {"before": "contact_deleted", "after": "completed_end"}, size
        assert "late" not in {one.event.id for one in scene.tables.events.values()}
        assert {str(one.event.payload) for one in scene.tables.events.values()} == {"{}"}


@pytest.mark.parametrize("size", [1, 2])
def test_an_event_that_names_a_deleted_contact_by_its_id_is_erased_at_once(size):
    """I5, D1: in the turn of the deletion as in any later one; its bytes are not set aside."""
    scene = Scene(WAITING)
    scene.decide(event("go", ago(minutes=3)))
    public_id = str(contact_uuid(scene.contact("ann@x.io")))
    late = event("answer", ago(minutes=1), contact_id=public_id, payload={"n": "Ann"})
    stream = [contact_event("deleted", NOW, email="ann@x.io"), late]
    for at in range(0, 2, size):
        changes = scene.decide(*stream[at : at + size])
    assert (quarantined(changes), changes.tally["erased"]) == ([], 1)


# --- by a step ------------------------------------------------------------------------------------


def test_a_step_deletes_the_contact_with_all_its_runs():
    """F1, F2, I5: the run ends contact_deleted at the step, and so do the contact's others."""
    scene = Scene(line(GOING, on=trigger("leave")), line(wait("w", "answer"), name="B"))
    scene.decide(event("go", ago(minutes=1)))
    scene.decide(event("leave"))
    assert [run.reason for run in scene.runs] == ["contact_deleted", "contact_deleted"]
    assert scene.path(scene.runs[1]) == ["start", "bye"]
    assert scene.tables.owners == {}
    changes = scene.decide(event("go", ago(seconds=1), id="late"))
    assert changes.tally["erased"] == 1


def test_an_event_that_resumes_a_deletion_ends_the_runs_it_starts():
    """I5, D2: what the same event started is of the contact that goes."""
    scene = Scene(
        line(wait("w", "answer"), GOING, name="A"),
        line(delay("d", "1 hour"), name="B", on=trigger("answer")),
    )
    scene.decide(event("go", ago(minutes=1)))
    scene.decide(event("answer"))
    assert {run.reason for run in scene.runs} == {"contact_deleted"}
    assert len(scene.runs) == 2


def test_nothing_that_a_run_said_of_who_is_gone_is_published():
    """I5, S6: it was said in the very turn of the deletion."""
    scene = Scene(line(update("u", first_name="Ann", emit=True), GOING))
    changes = scene.decide(event("go"))
    assert (scene.run.reason, changes.emitted) == ("contact_deleted", [])


@pytest.mark.parametrize("at", [ago(minutes=1), NOW, ahead(minutes=1)])
def test_what_a_run_had_said_of_who_is_gone_is_erased(at):
    """I5, S6: it names the contact by its id alone, and was under way; nothing of it is kept."""
    scene = Scene(WAITING)
    scene.decide(event("go", ago(minutes=3)))
    public_id = str(contact_uuid(scene.contact("ann@x.io")))
    deleted(scene)
    said = contact_event("updated", at, contact_id=public_id, payload={"first_name": "Ann"})
    changes = scene.decide(replace(said, hops=1))
    assert (quarantined(changes), changes.tally["erased"]) == ([], 1)


# --- what bytes say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "said", "is_named"),
    [
        ("email", "ann@x.io", b'{"email": "Ann@X.io"', True),
        ("email", "j\u00f6@x.io", b'{"email": "J\\u00f6@x.io"', True),
        ("email", "j\u00f6@x.io", "J\u00f6@x.io".encode(), True),
        ("email", "ann@x.io", b"joann@x.i", False),
        ("phone", "+4912345678", b'"phone": "0049 (123) 45-678"', True),
        ("external_id", "7", b'{"total": 7, "n": "17"}', False),
        ("external_id", "7", b'{"external_id": "7"', True),
        ("external_id", "7", b"suppression external_id:7", True),
        ("anonymous_id", "abc", b"xabcx \xff\x00", False),
    ],
)
def test_bytes_that_nobody_understood_are_searched_for_names(kind, value, said, is_named):
    """I5: quarantine and audit, however the name was written; nobody else's rows go."""
    assert mentions(said, [Identifier(kind, value)]) is is_named

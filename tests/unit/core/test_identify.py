"""Who an event is about: identifiers find, link and make contacts, and never mix two people."""

from uuid import UUID

import pytest

from state.contact import LIMITS, contact_uuid
from tests.kit import NOW, Scene, ago, ahead, contact_event, event, line, quarantined, wait

WAITING = line(wait("w", "answer"))


def scene_with(*identities: dict[str, str]) -> Scene:
    """Return a scene in which each of these people has been seen once."""
    scene = Scene(WAITING)
    for number, identifiers in enumerate(identities):
        scene.decide(event("answer", ago(hours=1), id=f"seen-{number}", **identifiers))
    return scene


def blocked(changes) -> list[str]:
    return [note.reason for note in changes.identity_notes if note.verdict == "merge_blocked"]


# --- I1 -------------------------------------------------------------------------------------------


def test_every_identifier_gets_a_contact_at_first_sight():
    """I1: anonymous too, so that a wait can be parked on it."""
    scene = Scene(WAITING)
    scene.decide(event("go", anonymous_id="a-1"))
    assert scene.run.contact_id == scene.contact("a-1", "anonymous_id")
    assert scene.run.activity == "waiting"


def test_a_wait_parked_on_an_anonymous_person_wakes_when_the_person_becomes_known():
    """I1, I2: the event that names both links them, and resumes."""
    scene = Scene(WAITING)
    scene.decide(event("go", anonymous_id="a-1"))
    scene.decide(event("answer", ahead(seconds=1), anonymous_id="a-1", email="ann@x.io"))
    assert scene.run.status == "completed"
    assert scene.contact("ann@x.io") == scene.run.contact_id


@pytest.mark.parametrize("strongest", ["external_id", "email", "phone"])
def test_the_strongest_kind_says_whose_event_it_is(strongest):
    """I1: contact_id, external_id, email, phone, anonymous_id, in this order."""
    kinds = {"external_id": "u1", "email": "b@x.io", "phone": "+49123456", "anonymous_id": "a"}
    scene = scene_with(*({kind: value} for kind, value in kinds.items()))
    order = list(kinds)
    weaker = {kind: kinds[kind] for kind in order[order.index(strongest) :]}
    scene.decide(event("go", **weaker))
    assert scene.run.contact_id == scene.contact(kinds[strongest], strongest)


def test_a_contact_id_is_the_strongest_of_all():
    """I1: the contact's own id comes first."""
    scene = scene_with({"external_id": "u1"}, {"external_id": "u2", "email": "b@x.io"})
    bob = scene.contact("b@x.io")
    scene.decide(event("go", contact_id=str(contact_uuid(bob)), external_id="u1"))
    assert scene.run.contact_id == bob
    assert scene.run.resolved.kind == "contact_id"


def test_an_unknown_contact_id_is_ignored():
    """I1: the next identifier counts."""
    scene = Scene(WAITING)
    scene.decide(event("go", contact_id=str(UUID(int=7)), email="b@x.io"))
    assert scene.run.contact_id == scene.contact("b@x.io")
    assert scene.run.resolved.kind == "email"


def test_an_event_without_a_usable_identifier_is_quarantined():
    """I1: nothing but an unknown contact_id is nobody."""
    changes = Scene(WAITING).decide(event("go", contact_id=str(UUID(int=7))))
    assert quarantined(changes) == ["no_usable_identifier"]
    assert (changes.events, changes.runs) == ([], [])


def test_equal_people_written_differently_are_one():
    """I1: e-mails are trimmed and lowered before they are compared."""
    scene = Scene(WAITING)
    scene.decide(event("go", email=" Ann@X.io "))
    scene.decide(event("answer", ahead(seconds=1), email="ann@x.io"))
    assert scene.run.status == "completed"


# --- I2: linking ----------------------------------------------------------------------------------


def test_several_identifiers_of_one_event_become_one_contact():
    """I2: an event with e-mail and external id links them."""
    scene = scene_with({"email": "b@x.io", "external_id": "u1", "phone": "+49123456"})
    assert scene.contact("b@x.io") == scene.contact("u1", "external_id")
    assert scene.contact("b@x.io") == scene.contact("+49123456", "phone")


@pytest.mark.parametrize(("known", "fresh"), [("email", "external_id"), ("external_id", "email")])
def test_a_new_identifier_joins_the_known_contact_whichever_is_stronger(known, fresh):
    """I2: also the stronger new one joins the weaker known one, so that its waits are found."""
    values = {"email": "b@x.io", "external_id": "u1"}
    scene = scene_with({known: values[known]})
    scene.decide(contact_event("identified", **values))
    assert len(scene.tables.contacts) == 1
    assert scene.contact(values[fresh], fresh) == scene.contact(values[known], known)


@pytest.mark.parametrize("value", ["null", "-1", "Anonymous", "0000", "00000000-0000", "guest"])
def test_a_value_that_names_nobody_links_nobody(value):
    """I2: the block list: it stays apart from the known contact."""
    scene = scene_with({"email": "b@x.io"})
    changes = scene.decide(event("go", email="b@x.io", anonymous_id=value))
    assert scene.run.contact_id == scene.contact("b@x.io")
    assert [reason.split(":")[0] for reason in blocked(changes)] == ["blocked_value"]
    assert ("anonymous_id", value) not in scene.tables.owners


def test_a_blocked_value_names_nobody_beside_one_that_does():
    """I2: even as the strongest kind; the event belongs to the person that it names as well."""
    scene = scene_with({"email": "b@x.io"})
    changes = scene.decide(event("go", external_id="null", email="b@x.io"))
    assert scene.run.contact_id == scene.contact("b@x.io")
    assert [reason.split(":")[0] for reason in blocked(changes)] == ["blocked_value"]
    assert ("external_id", "null") not in scene.tables.owners


def test_a_blocked_value_joins_no_strangers():
    """I2: two people whom one system calls `null` stay two, whoever comes first."""
    scene = Scene(WAITING)
    scene.decide(event("go", id="e1", external_id="null", email="bob@x.io"))
    scene.decide(event("go", id="e2", external_id="null", email="ann@x.io"))
    assert scene.contact("ann@x.io") != scene.contact("bob@x.io")


def test_a_blocked_value_alone_is_somebody():
    """I2: the event belongs to its strongest identifier, also where that is all there is."""
    scene = Scene(WAITING)
    scene.decide(event("go", external_id="null"))
    assert scene.run.contact_id == scene.contact("null", "external_id")


def test_a_merge_from_a_name_nobody_holds_links_it():
    """I2: several identifiers link, whichever event says that they are one person's."""
    scene = scene_with({"external_id": "u1"})
    scene.decide(contact_event("merged", external_id="u1", payload={"from": {"email": "b@x.io"}}))
    assert scene.contact("b@x.io") == scene.contact("u1", "external_id")


def test_an_old_event_does_not_bring_back_a_released_identifier():
    """I2: a later update SET another e-mail; what came before it, and comes late, links nothing."""
    scene = scene_with({"external_id": "u1", "email": "old@x.io"})
    update = {"external_id": "u1", "payload": {"email": "new@x.io"}}
    scene.decide(contact_event("updated", ahead(minutes=5), **update))
    late = event("go", ahead(minutes=1), id="late", external_id="u1", email="old@x.io")
    changes = scene.at(ahead(minutes=6)).decide(late)
    assert ("email", "old@x.io") not in scene.tables.owners
    assert [reason.split(":")[0] for reason in blocked(changes)] == ["set_since_email"]


def test_a_blocked_value_cannot_be_set_either():
    """I2: `contact.updated` with external_id `null` gives it to nobody."""
    scene = scene_with({"email": "b@x.io"})
    change = contact_event("updated", email="b@x.io", payload={"external_id": "null"})
    assert [reason.split(":")[0] for reason in blocked(scene.decide(change))] == ["blocked_value"]
    assert ("external_id", "null") not in scene.tables.owners


@pytest.mark.parametrize("kind", ["external_id", "email", "phone"])
def test_the_limit_of_a_kind_is_not_passed(kind):
    """I2: external_id 1, email 5, phone 5: the next one is not linked, and nothing moves."""
    values = {
        "external_id": "u{}",
        "email": "b{}@x.io",
        "phone": "+4912345{}",
    }[kind]
    scene = Scene(WAITING)
    for number in range(LIMITS[kind]):
        scene.decide(
            event("answer", id=f"e{number}", anonymous_id="a", **{kind: values.format(number)})
        )
    changes = scene.decide(event("answer", id="last", anonymous_id="a", **{kind: values.format(9)}))
    assert blocked(changes)[0].startswith(f"limit_{kind}")
    person = scene.tables.contacts[scene.contact("a", "anonymous_id")]
    assert person.count_of(kind) == LIMITS[kind]


def test_a_new_identifier_is_linked_once_however_often_it_is_named():
    """I2, D1: the second event of a batch finds what the first one linked."""
    scene = Scene(WAITING)
    both = {"email": "b@x.io", "external_id": "u1"}
    scene.decide(event("answer", id="e1", **both), event("answer", id="e2", **both))
    assert len(scene.tables.contacts) == 1
    (person,) = scene.tables.contacts.values()
    assert [link.linked_by for link in person.links] == ["e1", "e1"]


def test_one_batch_links_as_two_do():
    """I2, D1: an identifier linked by the first event leads the second to the same contact."""
    for cut in (1, 2):
        scene = Scene(WAITING)
        stream = [
            event("go", email="b@x.io"),
            contact_event("identified", email="b@x.io", external_id="u1"),
            event("answer", ahead(seconds=1), external_id="u1"),
        ]
        for batch in (stream[:cut], stream[cut:]):
            scene.decide(*batch)
        assert scene.run.status == "completed", cut


# --- I2: setting identifiers ----------------------------------------------------------------------


def test_an_update_sets_an_email_and_releases_the_old_one():
    """I2: `contact.updated` SETS an e-mail: the old one is released, and says so."""
    scene = scene_with({"email": "old@x.io", "external_id": "u1"})
    person = scene.contact("u1", "external_id")
    change = contact_event("updated", external_id="u1", payload={"email": "new@x.io"})
    changes = scene.decide(change)
    assert scene.contact("new@x.io") == person
    assert ("email", "old@x.io") not in scene.tables.owners
    assert [note.verdict for note in changes.identity_notes] == ["identifier_released"]
    scene.decide(event("go", id="later", email="old@x.io"))
    assert scene.run.contact_id != person


def test_an_email_of_somebody_else_is_taken():
    """I2: owned by another: `identifier_taken`, unchanged."""
    scene = scene_with({"email": "a@x.io"}, {"email": "b@x.io"})
    ann, bob = scene.contact("a@x.io"), scene.contact("b@x.io")
    change = contact_event("updated", email="a@x.io", payload={"email": "b@x.io"})
    changes = scene.decide(change)
    assert [note.verdict for note in changes.identity_notes] == ["identifier_taken"]
    assert (scene.contact("a@x.io"), scene.contact("b@x.io")) == (ann, bob)
    assert "email" not in scene.tables.contacts[ann].profile.fields


def test_an_older_update_does_not_take_the_email_back():
    """I2, I6: identifiers that are set obey the last writer by V."""
    scene = scene_with({"external_id": "u1"})
    newer = contact_event("updated", NOW, external_id="u1", payload={"email": "new@x.io"})
    older = contact_event("updated", ago(hours=1), external_id="u1", payload={"email": "old@x.io"})
    scene.decide(newer)
    scene.decide(older)
    person = scene.tables.contacts[scene.contact("u1", "external_id")]
    assert person.value_of("email") == "new@x.io"
    assert ("email", "old@x.io") not in scene.tables.owners


# --- I4 -------------------------------------------------------------------------------------------


def test_a_run_shows_the_identifier_that_matched_and_the_path_to_it():
    """I4: first seen in an event, linked by another."""
    scene = scene_with({"email": "b@x.io"})
    scene.decide(contact_event("identified", id="link", email="b@x.io", external_id="u1"))
    scene.decide(event("go", id="one", external_id="u1"))
    assert tuple(scene.run.resolved) == ("external_id", "u1", "linked by link")
    scene.decide(event("go", ahead(seconds=1), id="two", email="b@x.io"))
    assert tuple(scene.runs[1].resolved) == ("email", "b@x.io", "first seen in seen-0")


def test_evidence_names_contacts_by_their_public_ids():
    """I4: a blocked merge says whom it stays apart from."""
    scene = scene_with({"external_id": "u1"}, {"external_id": "u2", "email": "b@x.io"})
    changes = scene.decide(event("go", external_id="u1", email="b@x.io"))
    assert str(contact_uuid(scene.contact("b@x.io"))) in blocked(changes)[0]

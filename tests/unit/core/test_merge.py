"""People who turn out to be one: what moves, what wakes, what ends, what stays apart."""

import pytest

from state.contact import contact_uuid
from state.event import Identifier
from tests.kit import (
    Scene,
    ago,
    ahead,
    contact_event,
    event,
    line,
    same,
    update,
    wait,
)
from tests.people import WAITING, met, notes

# --- who survives ---------------------------------------------------------------------------------


def test_two_known_contacts_become_one():
    """I2, I3: the survivor holds the identifiers of both; the other's id leads to it."""
    scene = Scene(WAITING)
    scene.decide(event("answer", ago(hours=2), anonymous_id="a"))
    scene.decide(event("answer", ago(hours=1), email="b@x.io"))
    gone, kept = scene.contact("a", "anonymous_id"), scene.contact("b@x.io")
    changes = met(scene, email="b@x.io", anonymous_id="a")
    assert notes(changes) == ["merged anonymous_id"]
    assert scene.contact("a", "anonymous_id") == scene.contact("b@x.io") == kept
    named = Identifier("contact_id", str(contact_uuid(gone)))
    assert scene.tables.resolve([named]) == {named: kept}


@pytest.mark.parametrize(
    ("older", "younger", "kept"),
    [
        ({"anonymous_id": "a"}, {"external_id": "u"}, "external_id"),
        ({"external_id": "u"}, {"anonymous_id": "a"}, "external_id"),
        ({"phone": "+49123456"}, {"email": "b@x.io"}, "email"),
        ({"anonymous_id": "a"}, {"phone": "+49123456"}, "phone"),
    ],
)
def test_the_holder_of_the_strongest_kind_survives(older, younger, kept):
    """I3: whoever is older."""
    scene = Scene(WAITING)
    scene.decide(event("answer", ago(hours=2), **older))
    scene.decide(event("answer", ago(hours=1), **younger))
    before = scene.contact((older | younger)[kept], kept)
    met(scene, **older, **younger)
    assert set(scene.tables.owners.values()) == {before}


def test_of_two_equals_the_older_survives():
    """I3: then the older; both hold an e-mail and meet by an anonymous id."""
    scene = Scene(WAITING)
    scene.decide(event("answer", ago(hours=2), email="old@x.io"))
    scene.decide(event("answer", ago(hours=1), email="young@x.io", anonymous_id="a"))
    old = scene.contact("old@x.io")
    met(scene, email="old@x.io", anonymous_id="a")
    assert scene.contact("young@x.io") == scene.contact("a", "anonymous_id") == old


def test_an_event_that_names_three_people_makes_them_one():
    """I3: pair by pair, the strongest identifier first."""
    scene = Scene(WAITING)
    for number, named in enumerate(
        ({"external_id": "u"}, {"email": "b@x.io"}, {"phone": "+49123456"})
    ):
        scene.decide(event("answer", ago(hours=1), id=str(number), **named))
    met(scene, external_id="u", email="b@x.io", phone="+49123456")
    assert set(scene.tables.owners.values()) == {scene.contact("u", "external_id")}


def test_a_merge_of_merged_people_leads_to_the_last_survivor():
    """I3: a was merged into b, b into u: all of it in one turn or in three."""
    for cuts in (1, 2, 3):
        scene = Scene(WAITING)
        for number, named in enumerate(
            ({"anonymous_id": "a"}, {"email": "b@x.io"}, {"external_id": "u"})
        ):
            scene.decide(event("go", ago(hours=1), id=str(number), **named))
        gone = scene.contact("a", "anonymous_id")
        stream = [
            contact_event("identified", ahead(seconds=1), email="b@x.io", anonymous_id="a"),
            contact_event("identified", ahead(seconds=2), external_id="u", email="b@x.io"),
            event("answer", ahead(seconds=3), anonymous_id="a"),
        ]
        scene.at(ahead(seconds=3))
        for part in (stream[:1], stream[1:2], stream[2:])[: cuts - 1]:
            scene.decide(*part)
        scene.decide(*stream[cuts - 1 :])
        kept = scene.contact("u", "external_id")
        assert {run.contact_id for run in scene.runs} == {kept}
        assert {run.reason for run in scene.runs} == {"completed_end"}, cuts
        named = Identifier("contact_id", str(contact_uuid(gone)))
        assert scene.tables.resolve([named]) == {named: kept}


def test_contact_merged_says_who_survives():
    """I3: the envelope's identifiers name the survivor (interface.md), whoever is stronger."""
    scene = Scene(WAITING)
    scene.decide(event("answer", ago(hours=1), external_id="u"))
    scene.decide(event("answer", ago(hours=1), email="b@x.io"))
    kept = scene.contact("b@x.io")
    said = {"from": {"external_id": "u"}}
    changes = scene.decide(contact_event("merged", email="b@x.io", payload=said))
    assert scene.contact("u", "external_id") == kept
    assert notes(changes) == ["merged external_id"]


# --- who stays apart ------------------------------------------------------------------------------


def test_people_of_different_external_ids_stay_apart():
    """I2: merge_blocked; nothing moves; the event belongs to its strongest identifier."""
    scene = Scene(WAITING)
    scene.decide(event("answer", ago(hours=1), id="1", external_id="u1", email="a@x.io"))
    scene.decide(event("answer", ago(hours=1), id="2", external_id="u2", email="b@x.io"))
    before = dict(scene.tables.owners)
    changes = scene.decide(event("go", external_id="u1", email="b@x.io"))
    assert notes(changes) == ["merge_blocked different_external_id"]
    assert scene.tables.owners == before
    assert scene.run.contact_id == scene.contact("u1", "external_id")


@pytest.mark.parametrize(
    ("kind", "values", "limit"),
    [("email", "m{}@x.io", 5), ("phone", "+4912345{}", 5), ("anonymous_id", "a{}", 100)],
)
def test_a_merge_that_passes_a_limit_is_blocked(kind, values, limit):
    """I2: e-mail 5, phone 5, anonymous_id 100: nothing moves."""
    scene = Scene(WAITING)
    for number in range(limit):
        named = {kind: values.format(number), "external_id": "u"}
        scene.decide(event("answer", ago(hours=1), id=f"{number}", **named))
    other = "email" if kind != "email" else "phone"
    meeting = {"email": "z@x.io", "phone": "+4999999"}[other]
    scene.decide(
        event("answer", ago(hours=1), id="other", **{kind: values.format(9999), other: meeting})
    )
    before = dict(scene.tables.owners)
    changes = met(scene, external_id="u", **{other: meeting})
    assert notes(changes) == [f"merge_blocked limit_{kind}"]
    assert scene.tables.owners == before


def test_a_blocked_value_merges_nobody():
    """I2: the block list, also where contact.merged names it."""
    scene = Scene(WAITING)
    scene.decide(event("answer", ago(hours=1), id="1", anonymous_id="null"))
    scene.decide(event("answer", ago(hours=1), id="2", email="b@x.io"))
    said = {"from": {"anonymous_id": "null"}}
    changes = scene.decide(contact_event("merged", email="b@x.io", payload=said))
    assert notes(changes) == ["merge_blocked blocked_value"]
    assert len(set(scene.tables.owners.values())) == 2


@pytest.mark.parametrize("named", [{"external_id": "u"}, {"phone": "+4912345678"}])
def test_an_old_event_does_not_merge_through_a_released_identifier(named):
    """I2: the e-mail was set anew since; by now it is somebody else's, be it the stronger name."""
    scene = Scene(WAITING)
    scene.decide(event("answer", ago(hours=3), id="1", email="old@x.io", **named))
    scene.decide(contact_event("updated", ago(hours=1), payload={"email": "new@x.io"}, **named))
    scene.decide(event("answer", ago(minutes=30), id="2", email="old@x.io"))
    late = event("answer", ago(hours=2), id="3", email="old@x.io", **named)
    assert notes(scene.decide(late)) == ["merge_blocked set_since_email"]
    assert scene.contact("old@x.io") != scene.contact("new@x.io")


# --- profile --------------------------------------------------------------------------------------


def test_of_properties_the_newest_stays():
    """I3, I6: by V, whoever survives; a later clearing counts as well."""
    scene = Scene(WAITING)
    for named, at, properties in (
        ({"email": "b@x.io"}, ago(hours=3), {"plan": "free", "city": "Bonn", "gone": 1}),
        ({"anonymous_id": "a"}, ago(hours=2), {"plan": "pro", "pet": "cat", "gone": None}),
    ):
        scene.decide(contact_event("updated", at, payload={"properties": properties}, **named))
    met(scene, email="b@x.io", anonymous_id="a")
    person = scene.tables.contacts[scene.contact("b@x.io")]
    assert person.profile.properties == {"plan": "pro", "city": "Bonn", "pet": "cat"}


@pytest.mark.parametrize("leaver", ["email", "anonymous_id"])
def test_of_consent_the_stricter_stays(leaver):
    """I3: an unsubscription of either side holds, even an older one; topics too."""
    named = {"email": "b@x.io", "anonymous_id": "a"}
    stayer = next(kind for kind in named if kind != leaver)
    scene = Scene(WAITING)
    for payload in ({}, {"topic": "news"}):
        scene.decide(
            contact_event("unsubscribed", ago(hours=3), payload=payload, **{leaver: named[leaver]}),
            contact_event("subscribed", ago(hours=2), payload=payload, **{stayer: named[stayer]}),
        )
    met(scene, **named)
    person = scene.tables.contacts[scene.contact("b@x.io")]
    assert person.profile.is_unsubscribed
    assert person.profile.topics == {"news": False}
    scene.decide(contact_event("subscribed", ago(minutes=150), id="old", email="b@x.io"))
    assert scene.tables.contacts[scene.contact("b@x.io")].profile.is_unsubscribed


def test_what_a_later_step_reads_is_the_merged_profile():
    """I3, F2: the run moved; its contact is the survivor."""
    scene = Scene(
        line(
            wait("w", "answer", filter_rule=same("order")),
            update("u", properties={"from": {"var": "contact.properties.plan"}}),
        )
    )
    scene.decide(event("go", anonymous_id="a", payload={"order": 1}))
    scene.decide(
        contact_event(
            "updated", ago(hours=1), email="b@x.io", payload={"properties": {"plan": "pro"}}
        )
    )
    met(scene, email="b@x.io", anonymous_id="a")
    scene.decide(event("answer", ahead(seconds=1), email="b@x.io", payload={"order": 1}))
    person = scene.tables.contacts[scene.contact("b@x.io")]
    assert person.profile.properties == {"plan": "pro", "from": "pro"}

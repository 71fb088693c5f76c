"""A merge taken back: all of it goes back, or nothing where the histories have mixed."""

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from handlers.unmerge import UndoMerge, refuses_unmerge
from state.contact import contact_uuid
from state.event import Identifier
from state.turn import Changes
from tests.kit import NOW, Scene, ahead, contact_event, event, line, wait
from tests.people import WAITING, met
from tests.simulation.people import merge_record

BY_COOKIE, BY_EMAIL = {"anonymous_id": "a"}, {"email": "b@x.io"}
MERGED_AT, LATER = ahead(minutes=1), ahead(minutes=2)


def merged(*automations: object) -> Scene:
    """Return a world in which a visitor and a customer, each with a run, have become one."""
    scene = Scene(*(automations or (WAITING,)))
    scene.decide(event("go", **BY_COOKIE))
    scene.decide(event("go", **BY_EMAIL))
    return meet(scene)


def meet(scene: Scene) -> Scene:
    """Let them meet, later than all that was."""
    met(scene.at(MERGED_AT), **BY_COOKIE, **BY_EMAIL)
    return scene.at(LATER)


def merge_of(scene: Scene) -> UUID:
    (merge_id,) = scene.tables.merges
    return merge_id


def undo(scene: Scene, merge_id: UUID | None = None) -> Changes:
    merge = scene.tables.merges[merge_id or merge_of(scene)]
    return scene.decide(
        UndoMerge(merge.survivor, merge.merged.contact_id, merge.merge_id, "op", "a shared tablet")
    )


def refused(scene: Scene, merge_id: UUID | None = None) -> str:
    """Return why the merge stays; see that nothing of it was undone."""
    merge = scene.tables.merges[merge_id or merge_of(scene)]
    before = (dict(scene.tables.owners), dict(scene.tables.runs), dict(scene.tables.contacts))
    changes = undo(scene, merge.merge_id)
    assert changes == Changes(now=scene.now)
    assert before == (scene.tables.owners, scene.tables.runs, scene.tables.contacts)
    record = merge_record(scene.tables, merge.merge_id)
    home = scene.tables.merged.get(merge.survivor, merge.survivor)
    active = [run for run in scene.tables.runs.values() if run.contact_id == home]
    since = scene.now - scene.rules.memory
    why = refuses_unmerge(record, scene.tables.contacts[home], active, since)
    assert why is not None
    return why


# --- what goes back -------------------------------------------------------------------------------


def test_identifiers_and_active_runs_go_back():
    """I3: each is resumed by its own events again, and by those only."""
    scene = merged()
    gone = scene.tables.merges[merge_of(scene)].merged.contact_id
    kept = scene.contact("b@x.io")
    changes = undo(scene)
    assert changes.tally["merges_undone"] == 1
    assert (scene.contact("a", "anonymous_id"), scene.contact("b@x.io")) == (gone, kept)
    assert sorted(run.contact_id for run in scene.runs) == sorted((gone, kept))
    scene.decide(event("answer", LATER, **BY_COOKIE))
    assert {run.contact_id: run.reason for run in scene.runs} == {gone: "completed_end", kept: None}


def test_an_id_leads_to_its_own_contact_again():
    """I3: the merged contact's public id, which led to the survivor."""
    scene = merged()
    gone = scene.tables.merges[merge_of(scene)].merged.contact_id
    undo(scene)
    named = Identifier("contact_id", str(contact_uuid(gone)))
    assert scene.tables.resolve([named]) == {named: gone}


def test_both_profiles_are_what_they_were():
    """I3, I6: of a property that both had, each has its own again; consent too."""
    scene = Scene(WAITING)
    for named, plan in ((BY_COOKIE, "pro"), (BY_EMAIL, "free")):
        said = {"properties": {"plan": plan}, "unsubscribed": plan == "pro"}
        scene.decide(contact_event("updated", payload=said, **named), event("go", **named))
    gone, kept = scene.contact("a", "anonymous_id"), scene.contact("b@x.io")
    before = {one: scene.tables.contacts[one].profile for one in (gone, kept)}
    meet(scene)
    assert scene.tables.contacts[kept].profile.is_unsubscribed
    undo(scene)
    assert {one: scene.tables.contacts[one].profile for one in (gone, kept)} == before


def test_topics_chosen_go_back_in_the_lists_too():
    """I3, I6: the index of who has chosen what follows both profiles."""
    scene = Scene(WAITING)
    scene.decide(contact_event("subscribed", payload={"topic": "news"}, **BY_COOKIE))
    scene.decide(event("go", **BY_EMAIL))
    gone, kept = scene.contact("a", "anonymous_id"), scene.contact("b@x.io")
    meet(scene)
    changes = undo(scene)
    chosen = {key: one.is_subscribed for key, one in changes.choices.items()}
    assert chosen == {("news", gone): True, ("news", kept): None}


def test_whom_the_merged_one_had_absorbed_follows_it():
    """I3: a was merged into b, b into u; undone, a leads to b."""
    scene = merged()
    first = scene.tables.merges[merge_of(scene)].merged.contact_id
    scene.decide(event("go", LATER, external_id="u"))
    met(scene.at(ahead(minutes=3)), external_id="u", **BY_EMAIL)
    (merge_id,) = [one for one in scene.tables.merges if one != next(iter(scene.tables.merges))]
    merge = scene.tables.merges[merge_id]
    assert scene.tables.merged[first] == merge.survivor
    undo(scene.at(ahead(minutes=4)), merge_id)
    assert scene.tables.merged == {first: merge.merged.contact_id}
    assert scene.contact("a", "anonymous_id") == scene.contact("b@x.io") == merge.merged.contact_id


def test_merges_of_one_event_are_undone_one_after_the_other():
    """I3: a survivor that has become another one had the runs of whom it survived with it."""
    scene = Scene(WAITING)
    named = ({"phone": "+49123456"}, BY_EMAIL, BY_COOKIE)
    for second, one in enumerate(named):
        scene.at(ahead(seconds=second)).decide(event("go", scene.now, **one))
    scene.decide(contact_event("created", scene.now, payload={"external_id": "u"}, **BY_COOKIE))
    before = [run.contact_id for run in scene.runs]
    met(scene.at(MERGED_AT), **{kind: value for one in named for kind, value in one.items()})
    first, second = scene.tables.merges
    assert f"merge {second} came later" in refused(scene.at(LATER), first)
    undo(scene, second)
    assert len({run.contact_id for run in scene.runs}) == 2
    undo(scene, first)
    assert [run.contact_id for run in scene.runs] == before


def test_what_came_to_the_survivor_since_stays_there():
    """I3: an identifier that was linked after the merge, and one that was released."""
    scene = merged()
    met(scene, phone="+49123456", **BY_EMAIL)
    undo(scene.at(ahead(minutes=3)))
    assert scene.contact("+49123456", "phone") == scene.contact("b@x.io")
    assert scene.contact("a", "anonymous_id") != scene.contact("b@x.io")


def test_an_undo_is_audited():
    """I3, O4: who, why, and how much went back; nobody's name."""
    scene = merged()
    (audited,) = undo(scene).audited
    gone = scene.contact("a", "anonymous_id")
    assert audited[:3] == ("op", "contact.unmerge", str(merge_of(scene)))
    assert audited.after == {
        "contact_id": contact_uuid(scene.contact("b@x.io")),
        "unmerged": contact_uuid(gone),
        "identifiers": 1,
        "runs": 1,
        "why": "a shared tablet",
    }


def test_an_undone_merge_may_take_place_again():
    """I3: by another event, and by the same one published again; and be undone again."""
    scene = merged()
    undo(scene)
    met(scene.at(ahead(minutes=3)), **BY_COOKIE, **BY_EMAIL)
    assert scene.contact("a", "anonymous_id") == scene.contact("b@x.io")
    (_, again) = scene.tables.merges
    undo(scene.at(ahead(minutes=4)), again)
    assert scene.contact("a", "anonymous_id") != scene.contact("b@x.io")


# --- what is refused ------------------------------------------------------------------------------


def test_a_merge_is_undone_once():
    """I3: the second time it says when and by whom."""
    scene = merged()
    undo(scene)
    assert "undone already" in refused(scene)
    assert "by op" in refused(scene)


@pytest.mark.parametrize("named", [BY_COOKIE, BY_EMAIL])
def test_an_event_since_is_either_ones(named):
    """I3: histories have mixed."""
    scene = merged()
    scene.decide(event("go", LATER, id="since", **named))
    assert "event since has come since" in refused(scene.at(ahead(minutes=3)))


def test_an_event_of_the_merges_own_turn_counts_as_since():
    """I3: nothing tells whether it was before or after."""
    scene = Scene(WAITING)
    scene.decide(event("answer", **BY_COOKIE))
    scene.decide(event("answer", **BY_EMAIL))
    scene.at(MERGED_AT).decide(
        contact_event("identified", MERGED_AT, **BY_COOKIE, **BY_EMAIL),
        event("answer", MERGED_AT, id="with", **BY_EMAIL),
    )
    assert "event with has come since" in refused(scene.at(LATER))


def test_the_merging_event_itself_is_no_reason():
    """I3: it named both; kept because an automation listens to it."""
    scene = Scene(line(wait("w", "contact.identified")))
    scene.decide(event("contact.identified", **BY_COOKIE, contact_event=True))
    scene.decide(event("contact.identified", **BY_EMAIL, contact_event=True))
    meet(scene)
    assert len(scene.tables.events) == 3
    assert undo(scene).tally["merges_undone"] == 1


def test_a_run_that_the_merging_event_started_is_either_ones():
    """I3: it named both."""
    scene = Scene(WAITING)
    scene.decide(event("answer", **BY_COOKIE))
    scene.decide(event("answer", **BY_EMAIL))
    scene.at(MERGED_AT).decide(event("go", MERGED_AT, **BY_COOKIE, **BY_EMAIL))
    assert "started, moved or ended since" in refused(scene.at(LATER))


def test_a_run_that_ended_since_mixes_histories():
    """I3: a timeout needs no event."""
    scene = merged(line(wait("w", "answer", timeout="1 minute")))
    scene.fire_due()
    assert "started, moved or ended since" in refused(scene.at(ahead(minutes=3)))


def test_a_run_that_moved_since_mixes_histories():
    """I3: it stands at another step now."""
    scene = merged(
        line(
            wait("v", "first", timeout="1 minute"),
            aside=(wait("w", "answer"),),
            ways=({"from": "v", "to": "w", "type": "timeout"},),
        )
    )
    scene.fire_due()
    assert {run.activity for run in scene.runs} == {"waiting"}
    assert "started, moved or ended since" in refused(scene.at(ahead(minutes=3)))


def test_a_merge_that_decided_runs_stays():
    """I3: one of two active runs of a `one_active` automation was ended by it."""
    scene = merged(line(wait("w", "answer"), reentry="one_active"))
    assert "the merge itself ended or moved run" in refused(scene)


def test_the_newest_merge_is_undone_first():
    """I3: it names the one; so does a survivor that was merged itself."""
    scene = merged()
    first = merge_of(scene)
    scene.decide(event("go", LATER, phone="+49123456"))
    met(scene.at(ahead(minutes=3)), phone="+49123456", **BY_EMAIL)
    (_, second) = scene.tables.merges
    assert f"merge {second} came later" in refused(scene.at(ahead(minutes=4)), first)
    scene.decide(event("go", scene.now, external_id="u"))
    met(scene.at(ahead(minutes=5)), external_id="u", **BY_EMAIL)
    third = list(scene.tables.merges)[2]
    assert f"merge {third} came later" in refused(scene.at(ahead(minutes=6)), first)


def test_a_profile_that_changed_since_stays():
    """I3: a property was set since, by an event that is not stored."""
    scene = merged()
    said = {"properties": {"plan": "pro"}}
    scene.decide(contact_event("updated", LATER, payload=said, **BY_EMAIL))
    assert "the profile has changed since" in refused(scene)


def test_a_deleted_person_is_not_parted():
    """I3, I5: nothing is left to give back."""
    scene = merged()
    scene.decide(contact_event("deleted", LATER, **BY_EMAIL))
    assert "deleted since" in refused(scene)


def test_a_merge_whose_payload_was_erased_stays():
    """I3: the log keeps that it was, not what it took."""
    scene = merged()
    record = merge_record(scene.tables, merge_of(scene))
    erased = replace(record, merge=replace(record.merge, undo=None))
    survivor = scene.tables.contacts[record.merge.survivor]
    why = refuses_unmerge(erased, survivor, (), NOW - scene.rules.memory)
    assert why == "what it took to undo it has been erased"


def test_a_merge_from_beyond_what_is_remembered_stays():
    """I3, O5: what mixed the histories may have been dropped since."""
    scene = merged()
    merged_at = scene.tables.merges[merge_of(scene)].merged_at
    scene.at(merged_at + scene.rules.memory + timedelta(microseconds=1))
    assert "may not be kept any more" in refused(scene)
    undo(scene.at(merged_at + scene.rules.memory))
    assert scene.contact("a", "anonymous_id") != scene.contact("b@x.io")


def test_a_merge_that_nobody_knows_changes_nothing():
    """I3: nor does one that was of others."""
    scene = merged()
    merge = scene.tables.merges[merge_of(scene)]
    unknown = UndoMerge(merge.survivor, merge.merged.contact_id, UUID(int=1), "op", "why")
    assert scene.decide(unknown) == Changes(now=scene.now)
    swapped = UndoMerge(merge.merged.contact_id, merge.survivor, merge.merge_id, "op", "why")
    assert scene.decide(swapped) == Changes(now=scene.now)

"""Events that steps cause: off by default, counted in hops, stopped beyond eight."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from state.audience import Audiences, Segment, Topic
from state.event import HOPS_MAX, Event
from state.run import Run
from stream.decoding.decode import Sources, decode
from stream.wire_form import WireForm
from stream.writing import write
from tests.kit import (
    Document,
    Scene,
    ahead,
    automation_id,
    contact_event,
    event,
    line,
    trigger,
    update,
    verdicts,
    wait,
)
from tests.records import event_record

VIP, NEWS = Segment(UUID(int=1), "VIP"), Topic(UUID(int=5), "news", "opt_in")
CAUSE = {"run_id": "r", "step_key": "s", "automation_id": "a"}


def step(kind: str, **config: object) -> Document:
    return {"key": "do", "type": kind, "config": config}


def scene(*steps: Document, **more: object) -> Scene:
    here = Scene(line(*steps, segments=["VIP"], topics={"news": None}, **more))
    here.tables.audiences = Audiences.of([VIP], [NEWS])
    return here


def emitted(here: Scene) -> list[Mapping[str, object]]:
    return [one.document for one in here.tables.emitted]


def read(here: Scene, which: int = -1) -> Event:
    """Return an emitted event as the consumer reads it from its topic."""
    role, document = here.tables.emitted[which]
    topic = f"waitline.{role}"
    at = here.now.timestamp() * 1000
    record = event_record(document, topic=topic, timestamp=round(at), offset=len(emitted(here)))
    decoded = decode(record, Sources("1", frozenset({"waitline.contacts"})))
    assert isinstance(decoded, Event), decoded
    return decoded


EMITTING = [
    ("contact_update", {"first_name": "Zoe"}, "contacts", "contact.updated", {"first_name": "Zoe"}),
    (
        "add_to_segment",
        {"segment_id": "VIP"},
        "events",
        "waitline.segment.added",
        {"segment_id": str(VIP.segment_id), "name": "VIP"},
    ),
    (
        "set_topic_subscription",
        {"topic_id": "news", "subscription": "opt_out"},
        "contacts",
        "contact.unsubscribed",
        {"topic": "news"},
    ),
    (
        "set_topic_subscription",
        {"topic_id": "news", "subscription": "opt_in"},
        "contacts",
        "contact.subscribed",
        {"topic": "news"},
    ),
]


@pytest.mark.parametrize(("kind", "config", "role", "name", "payload"), EMITTING)
def test_a_step_emits_what_it_changes_only_where_it_says_so(kind, config, role, name, payload):
    """S6: off unless `emit: true`; the event says what caused it and how many runs deep."""
    silent = scene(step(kind, **config))
    silent.decide(event("go"))
    assert silent.tables.emitted == []
    loud = scene(step(kind, **config, emit=True))
    loud.decide(event("go"))
    (one,) = loud.tables.emitted
    assert (one.role, one.document["event"], one.document["payload"]) == (role, name, payload)
    assert one.document["hops"] == 1
    assert one.document["caused_by"] == {
        "run_id": str(loud.run.run_id),
        "step_key": "do",
        "automation_id": str(automation_id()),
    }


def test_leaving_a_segment_is_an_event_only_where_somebody_left():
    """S6: nobody hears of a change that was none."""
    here = scene(step("remove_from_segment", segment_id="VIP", emit=True))
    here.decide(event("go"))
    assert here.tables.emitted == []
    here.publish_automations(
        line(
            step("add_to_segment", segment_id="VIP"),
            {**step("remove_from_segment", segment_id="VIP", emit=True), "key": "out"},
            segments=["VIP"],
        )
    )
    here.decide(event("go", id="again"))
    assert [document["event"] for document in emitted(here)] == ["waitline.segment.removed"]


def test_an_emitted_event_is_read_as_what_it_is():
    """S6, E1: of the same contact, at the step's instant, one hop on; its id is from its cause."""
    here = scene(step("contact_update", first_name="Zoe", emit=True))
    here.decide(event("go"))
    first = read(here)
    assert (first.name, first.hops, first.claims_time) == ("contact.updated", 1, True)
    assert first.occurred_at == here.now
    assert first.caused_by == emitted(here)[0]["caused_by"]
    again = scene(step("contact_update", first_name="Zoe", emit=True))
    again.decide(event("go"))
    assert read(again).key == first.key


def test_an_emitted_change_of_the_contact_changes_nothing_again():
    """S6, I6: it ties with what the step wrote at the same instant, and the step's word stays."""
    here = scene(
        step("contact_update", first_name="Zoe", unsubscribed=True, properties={"n": 1}, emit=True),
        {**step("set_topic_subscription", topic_id="news", subscription="opt_out", emit=True)}
        | {"key": "topic"},
    )
    here.decide(event("go"))
    before = here.tables.contacts[here.contact("ann@x.io")].profile
    for which in (0, 1):
        changes = here.decide(read(here, which))
        assert changes.profiles == {}
        assert changes.choices == {}
    assert here.tables.contacts[here.contact("ann@x.io")].profile == before


def circle() -> Scene:
    """Return an automation that a change of the contact starts, and that changes the contact."""
    here = Scene(line(update("u", first_name="Zoe", emit=True), on=trigger("contact.updated")))
    here.decide(contact_event("updated", payload={"first_name": "Ann"}))
    return here


def test_a_circle_ends_after_eight_hops():
    """S6: hops 0 to 8 start runs; beyond, nothing starts, and `loop_limit` is recorded."""
    here = circle()
    last = None
    while len(here.tables.emitted) > len(here.tables.done) - 1 and last != "loop_limit":
        here.at(here.now.replace(microsecond=here.now.microsecond + 1))
        (last,) = verdicts(here.decide(read(here)), subject="automation")
    assert last == "loop_limit"
    assert [run.trigger.hops for run in here.runs] == list(range(HOPS_MAX + 1))
    assert caused(here.runs[-1]) == str(here.runs[-2].run_id)


def caused(run: Run) -> object:
    assert run.trigger.caused_by is not None
    return run.trigger.caused_by["run_id"]


def test_what_would_not_have_started_says_why_and_not_that_it_went_in_circles():
    """S6: `loop_limit` is the verdict on what it would have started only."""
    here = Scene(
        line(name="A", on=trigger(filter_rule={"field": "event.n", "operator": "exists"})),
        line(name="B"),
    )
    changes = here.decide(deep(event("go"), HOPS_MAX + 1))
    assert sorted(verdicts(changes, subject="automation")) == ["filter_false", "loop_limit"]
    assert here.runs == []


def test_an_event_beyond_the_limit_still_resumes_and_exits():
    """S6: it starts nothing; what runs wait for, or end by, has happened all the same."""
    here = Scene(
        line(wait("w", "answer"), name="A"),
        line(wait("w", "other"), name="B", exit=[{"event": "answer"}]),
    )
    here.decide(event("go"))
    changes = here.at(ahead(minutes=1)).decide(deep(event("answer", here.now), 200))
    assert sorted(verdicts(changes)) == ["exited", "resumed"]
    assert {run.reason for run in here.runs} == {"completed_no_branch", "exited_rule"}


def deep(one: Event, hops: int) -> Event:
    from msgspec.structs import replace

    return replace(one, hops=hops)


# --- on the wire ----------------------------------------------------------------------------------

SOURCES = Sources("1", frozenset({"waitline.contacts"}))
PLAIN = {"event": "go", "email": "ann@x.io"}


def test_hops_and_cause_are_read_from_the_envelope():
    """S6, E2: a producer's own are taken at their word; without them an event is nobody's."""
    told = decode(event_record({**PLAIN, "hops": 3, "caused_by": {**CAUSE, "more": 1}}), SOURCES)
    silent = decode(event_record(PLAIN), SOURCES)
    assert isinstance(told, Event)
    assert isinstance(silent, Event)
    assert (told.hops, told.caused_by) == (3, CAUSE)
    assert (silent.hops, silent.caused_by) == (0, None)
    assert told.body_hash == silent.body_hash


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"hops": -1}, "hops"),
        ({"hops": 256}, "hops"),
        ({"hops": 1.0}, "hops"),
        ({"hops": True}, "hops"),
        ({"hops": "1"}, "hops"),
        ({"caused_by": "r"}, "caused_by"),
        ({"caused_by": {**CAUSE, "run_id": 7}}, "caused_by.run_id"),
        ({"caused_by": {}}, "caused_by.run_id"),
    ],
)
def test_hops_and_causes_that_are_none_are_set_aside(said, field):
    """E5: with the field and what was expected."""
    rejected = decode(event_record({**PLAIN, **said}), SOURCES)
    assert not isinstance(rejected, Event)
    assert rejected.reason == "bad_field"
    assert rejected.detail.startswith(f"{field}: expected")


@pytest.mark.parametrize("is_binary", [True, False])
def test_a_cloudevent_says_them_as_attributes(is_binary):
    """S6, E2: `hops` is an integer, `causedby` a text, as attributes hold no objects."""
    said = {"specversion": "1.0", "id": "1", "source": "/s", "type": "go", "email": "a@b.c"}
    said |= {"causedby": "a/r/s/x", "hops": "2" if is_binary else 2}
    headers = [(f"ce_{name}", text.encode()) for name, text in said.items()] if is_binary else []
    structured = [("content-type", b"application/cloudevents+json")]
    record = event_record({} if is_binary else said, headers=headers or structured)
    read_back = decode(record, SOURCES)
    assert isinstance(read_back, Event), read_back
    assert read_back.hops == 2
    assert read_back.caused_by == {"automation_id": "a", "run_id": "r", "step_key": "s/x"}


@pytest.mark.parametrize("form", list(WireForm))
def test_what_is_published_in_any_form_says_the_same(form):
    """S6, E2: hops and cause survive each of the wire forms."""
    said = {"event": "go", "id": "1", "email": "a@b.c", "hops": 3, "caused_by": CAUSE}
    written = write(said, form, "/s")
    read_back = decode(
        event_record({}, headers=written.headers)._replace(value=written.value), SOURCES
    )
    assert isinstance(read_back, Event), read_back
    assert (read_back.hops, read_back.caused_by) == (3, CAUSE)


@pytest.mark.parametrize("cause", ["a/r", "", 7, CAUSE])
def test_a_causedby_that_is_none_is_set_aside(cause):
    """E5: with the attribute's own name."""
    said = {"specversion": "1.0", "id": "1", "source": "/s", "type": "go", "email": "a@b.c"}
    record = event_record(
        said | {"causedby": cause}, headers=[("content-type", b"application/cloudevents+json")]
    )
    rejected = decode(record, SOURCES)
    assert not isinstance(rejected, Event)
    assert rejected.detail.startswith("causedby: expected")

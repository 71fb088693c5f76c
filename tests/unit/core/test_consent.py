"""Consent: what is judged when a send is claimed, and what events make of an address."""

from uuid import UUID

import pytest

from handlers.consent import refusal
from state.audience import Audiences, Topic
from state.effect import Effect, Standing
from tests.kit import Document, Scene, contact_event, effects, email, event, line, push

NEWS = Topic(UUID(int=5), "news", "opt_in")
DIGEST = Topic(UUID(int=6), "digest", "opt_out")

GONE = Standing(is_deleted=True)
SUPPRESSED = Standing(is_suppressed=True)
LEFT = Standing(is_unsubscribed=True)
LEFT_TOPIC = Standing(is_subscribed=False)


def sending(**config: object) -> Document:
    step = email("m")
    return {**step, "config": {**step["config"], **config}}


def scene(*steps: Document) -> Scene:
    here = Scene(line(*steps, topics={"news": None, "digest": {"default_subscription": "opt_out"}}))
    here.tables.audiences = Audiences.of(topics=[NEWS, DIGEST])
    return here


def effect_of(**config: object) -> Effect:
    (effect,) = scene(sending(**config)).decide(event("go")).effects
    return effect


# --- the judgement --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "marketing", "transactional"),
    [
        (Standing(), None, None),
        (Standing(is_subscribed=True), None, None),
        (LEFT, "unsubscribed", None),
        (LEFT_TOPIC, "topic_unsubscribed", None),
        (SUPPRESSED, "suppressed", "suppressed"),
        (GONE, "contact_deleted", "contact_deleted"),
        (Standing(True, True, True, False), "contact_deleted", "contact_deleted"),
        (Standing(False, True, True, False), "suppressed", "suppressed"),
        (Standing(False, False, True, True), "unsubscribed", None),
    ],
)
def test_what_a_standing_means_for_each_category(standing, marketing, transactional):
    """F4: a transactional message ignores unsubscribe and topics, not suppression."""
    assert refusal(effect_of(topic_id="news"), standing) == marketing
    assert refusal(effect_of(topic_id="news", category="transactional"), standing) == transactional


def test_a_message_is_marketing_unless_its_step_says_otherwise():
    """F4: marketing is the default; the effect carries category and topic to the claim."""
    assert (effect_of().category, effect_of().topic) == ("marketing", None)
    assert effect_of(category="transactional").category == "transactional"


@pytest.mark.parametrize("named", ["news", str(NEWS.topic_id), str(NEWS.topic_id).upper()])
def test_a_topic_is_named_by_key_or_id(named):
    """F4: whichever the step says, the effect carries the key, which contacts choose by."""
    here = Scene(line(sending(topic_id="news"), topics={"news": None}))
    here.tables.audiences = Audiences.of(topics=[NEWS])
    assert here.tables.audiences.topic(named) == NEWS
    (effect,) = here.decide(event("go")).effects
    assert effect.topic == "news"


# --- at the claim ---------------------------------------------------------------------------------


def claimed(here: Scene) -> str | None:
    """Return why the one effect of the outbox may not be sent now, by the tables' own standing."""
    (row,) = here.tables.outbox.values()
    return refusal(row.effect, here.tables.standing(row.effect))


def test_who_unsubscribes_after_the_decision_is_not_written_to():
    """F4: consent is read when the send is claimed, not when it was decided."""
    here = scene(sending(), push("p"))
    here.decide(event("go"))
    assert claimed(here) is None
    here.decide(contact_event("unsubscribed"))
    assert claimed(here) == "unsubscribed"
    changes = here.settle("skipped", code="unsubscribed")
    assert effects(changes) == ["p"]
    skipped = next(step for step in here.steps() if step["key"] == "m")
    assert (skipped["status"], skipped["output"]["skipped"]) == ("skipped", "unsubscribed")


@pytest.mark.parametrize(
    ("topic", "verb", "said"),
    [
        ("news", None, None),
        ("digest", None, "topic_unsubscribed"),
        ("news", "unsubscribed", "topic_unsubscribed"),
        ("digest", "subscribed", None),
    ],
)
def test_a_topics_default_holds_for_who_has_not_chosen(topic, verb, said):
    """F4: opt_in lets messages go until somebody leaves, opt_out only to those who have joined."""
    here = scene(sending(topic_id=topic))
    here.decide(event("go"))
    if verb is not None:
        here.decide(contact_event(verb, payload={"topic": topic}))
    assert claimed(here) == said


# --- suppression ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("email.bounced", {"bounce": {"type": "Permanent"}}, "bounced"),
        ("email.bounced", {"type": "hard"}, "bounced"),
        ("email.bounced", {"bounce": {"type": "Transient"}}, None),
        ("email.bounced", {"bounce": {"type": "Transient"}, "type": "hard"}, None),
        ("email.bounced", {}, None),
        ("email.complained", {}, "complained"),
        ("resend:email.bounced", {}, "bounced"),
        ("resend:email.bounced", {"bounce": {"type": "Undetermined"}}, None),
        ("resend:email.complained", {}, "complained"),
        ("resend:email.suppressed", {}, "suppressed"),
        ("email.opened", {}, None),
        ("email.bounced", {"bounce": "hard"}, None),
    ],
)
def test_which_events_suppress_an_address(name, payload, reason):
    """F4, E7: whether the name is of interest or not; a bounce that may pass does not."""
    here = scene(sending())
    here.decide(event(name, payload=payload, email="ann@x.io"))
    assert [one.reason for one in here.tables.suppressed.values()] == ([reason] if reason else [])
    assert here.tables.contacts == {}


def test_a_message_tells_which_address_bounced():
    """F4: the recipient of the message is suppressed, whoever the event names."""
    here = scene(sending())
    (effect,) = here.decide(event("go", email="ann@x.io")).effects
    payload = {"email_id": str(effect.effect_id), "bounce": {"type": "Permanent"}}
    here.decide(event("email.bounced", payload=payload, external_id="someone"))
    assert set(here.tables.suppressed) == {"ann@x.io"}
    assert claimed(here) == "suppressed"


@pytest.mark.parametrize("message", ["no id", str(UUID(int=9)), 7])
def test_a_message_that_is_not_ours_leaves_the_events_own_address(message):
    """F4: where no message of ours is named, the address that the event names is meant."""
    here = scene(sending())
    here.decide(event("email.complained", payload={"email_id": message}, email="ann@x.io"))
    here.decide(event("email.complained", payload={"email_id": message}, external_id="x"))
    assert set(here.tables.suppressed) == {"ann@x.io"}


def test_a_push_has_no_address_to_suppress():
    """F4: consent is the same for a push, suppression is of addresses."""
    here = scene(push("p"))
    here.decide(event("go"))
    here.decide(event("email.complained"))
    assert claimed(here) is None
    here.decide(contact_event("unsubscribed"))
    assert claimed(here) == "unsubscribed"

"""Sends: what is composed when the step is entered, and what the answer makes of it."""

import pytest

from handlers.decision import Fail, GoTo, Send, Settled
from state.contact import Contact, contact_uuid
from state.effect import effect_id_of
from tests.turns import ANN, EFFECT_KEY, NOW, entered, resumed

TEMPLATES = {
    "receipt": {
        "subject": "Thanks {{{NAME|friend}}}",
        "text": "{{{ORDER}}} {{{contact.first_name}}}",
        "html": "<p>{{{ORDER}}}</p>",
    },
    "thanks": {"title": "Hi {{{NAME}}}", "text": "We are here."},
}
VARIABLES = {"NAME": {"var": "contact.first_name"}, "ORDER": {"var": "event.order"}}
EMAIL = {"template": {"id": "receipt", "variables": VARIABLES}}
PUSH = {"template": {"id": "thanks", "variables": {"NAME": "you"}}}
MESSAGE_ID = str(effect_id_of(EFFECT_KEY))


def email(config: object = EMAIL, contact: Contact = ANN, order: object = "<o-1>") -> object:
    event = {} if order is None else {"order": order}
    return entered("send_email", config, contact=contact, templates=TEMPLATES, event=event)


def test_an_email_is_composed_when_its_step_is_entered():
    """F2: a message's id derives from its key and is known at decide."""
    template = {"id": "receipt", "variables": {"NAME": "Ann", "ORDER": "<o-1>"}}
    assert email() == Send(
        channel="email",
        message={
            "to": "ann@x.io",
            "subject": "Thanks Ann",
            "text": "<o-1> Ann",
            "html": "<p>&lt;o-1&gt;</p>",
        },
        output={"to": "ann@x.io", "email_id": MESSAGE_ID, "template": template},
        input={"template": template},
    )


def test_a_step_replaces_the_subject_and_the_addresses():
    sender = {"from": "a@x.io", "reply_to": "b@x.io"}
    outcome = email({**EMAIL, **sender, "subject": "Order {{{ORDER}}}"})
    assert isinstance(outcome, Send)
    assert outcome.message.items() >= {**sender, "subject": "Order <o-1>"}.items()
    assert outcome.input.items() >= sender.items()


def test_a_templates_own_addresses_are_used_where_the_step_has_none():
    own = {"from": "t@x.io", "reply_to": "r@x.io"}
    templates = {"receipt": TEMPLATES["receipt"] | own}
    config = {**EMAIL, "from": "a@x.io"}
    outcome = entered("send_email", config, templates=templates, event={"order": "o-1"})
    assert isinstance(outcome, Send)
    assert outcome.message.items() >= {"from": "a@x.io", "reply_to": "r@x.io"}.items()
    assert outcome.input.items() >= {"from": "a@x.io", "reply_to": "r@x.io"}.items()


def test_a_contact_without_address_fails_the_step():
    """F5: the step fails with a code and a text."""
    assert email(contact=Contact(7, NOW)) == Fail("no_address", "the contact has no e-mail address")


def test_a_missing_variable_fails_the_step_and_is_named_with_its_path():
    """F5: the step fails with a code and a text."""
    outcome = email(order=None)
    assert isinstance(outcome, Fail)
    assert outcome.code == "template_variable_missing"
    assert "ORDER" in outcome.text
    assert "event.order is absent" in outcome.text


def test_a_missing_value_takes_the_fallback():
    nameless = Contact(7, NOW, profile=ANN.profile.__class__(fields={"email": "ann@x.io"}))
    config = {"template": {"id": "welcome", "variables": {"NAME": {"var": "contact.first_name"}}}}
    templates = {"welcome": {"subject": "Hi {{{NAME|friend}}}", "text": "Welcome."}}
    outcome = entered("send_email", config, contact=nameless, templates=templates)
    assert isinstance(outcome, Send)
    assert outcome.message["subject"] == "Hi friend"
    assert outcome.output["template"] == {"id": "welcome", "variables": None}


def test_a_message_that_grows_too_large_fails_the_step():
    outcome = email(order="x" * (1 << 20))
    assert isinstance(outcome, Fail)
    assert outcome.code == "message_too_large"


def test_a_push_goes_to_the_contact_itself():
    to = str(contact_uuid(ANN.contact_id))
    template = {"id": "thanks", "variables": {"NAME": "you"}}
    assert entered("send_push", PUSH, templates=TEMPLATES) == Send(
        channel="push",
        message={"to": to, "title": "Hi you", "text": "We are here."},
        output={"to": to, "push_id": MESSAGE_ID, "template": template},
        input={"template": template},
    )


@pytest.mark.parametrize(("kind", "config"), [("send_email", EMAIL), ("send_push", PUSH)])
@pytest.mark.parametrize(
    ("settled", "outcome"),
    [
        (Settled("sent", provider_id="p-1"), GoTo()),
        (Settled("unknown"), GoTo(output={"unknown": True})),
        (
            Settled("skipped", "unsubscribed"),
            GoTo(output={"skipped": "unsubscribed"}, is_skipped=True),
        ),
        (Settled("failed", "rejected", "no such box"), Fail("rejected", "no such box")),
        (Settled("failed"), Fail("send_failed", "the message could not be sent")),
    ],
)
def test_the_run_goes_on_as_the_send_was_settled(kind, config, settled, outcome):
    """F3: sent, skipped and unknown go on, each saying so; failed fails the step."""
    assert resumed(kind, config, settled) == outcome

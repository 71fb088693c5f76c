"""A push notification to the contact's devices."""

from __future__ import annotations

from handlers.decision import Fail, Outcome, Send, Turn
from handlers.message import SendConfig, compose, settle, topic_key
from handlers.step import config_of, no_arms
from state.automation import DEFAULT_BRANCH
from state.contact import contact_uuid
from state.effect import effect_id_of

TYPE = "send_push"
BRANCHES = (DEFAULT_BRANCH,)


class Config(SendConfig):
    """The template."""

    channel = "push"


arms = no_arms


def enter(turn: Turn) -> Outcome:
    """Compose the push; it is addressed to the contact, whose devices the sender knows."""
    config = config_of(turn, Config)
    message = compose(turn, config)
    if isinstance(message, Fail):
        return message
    to = str(contact_uuid(turn.contact.contact_id))
    return Send(
        channel="push",
        message={"to": to, **message.texts},
        output={
            "to": to,
            "push_id": str(effect_id_of(turn.effect_key)),
            "template": message.template,
        },
        input={"template": message.template},
        category=config.category,
        topic=topic_key(turn, config),
    )


resume = settle

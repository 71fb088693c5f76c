"""An e-mail to the contact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, PlainValidator

from handlers.decision import Fail, Outcome, Send, Turn
from handlers.message import SendConfig, compose, settle, topic_key
from handlers.step import config_of, no_arms
from state.automation import DEFAULT_BRANCH
from state.effect import effect_id_of
from state.name import parse_name
from state.template import Text, parse_text

TYPE = "send_email"
BRANCHES = (DEFAULT_BRANCH,)

_Address = Annotated[str, PlainValidator(parse_name)]


def _parse_subject(raw: object) -> Text:
    return parse_text(raw, one_line=True)


class Config(SendConfig):
    """The template, and what replaces its own subject and addresses."""

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"template_id": "template.id"}

    channel = "email"

    subject: Annotated[Text, PlainValidator(_parse_subject)] | None = None
    sender: _Address | None = Field(default=None, alias="from")
    reply_to: _Address | None = None


arms = no_arms


def enter(turn: Turn) -> Outcome:
    """Compose the e-mail for the contact's address; its id is known before it is sent (F2)."""
    config = config_of(turn, Config)
    to = turn.contact.value_of("email")
    if to is None:
        return Fail("no_address", "the contact has no e-mail address")
    message = compose(turn, config)
    if isinstance(message, Fail):
        return message
    own = {"from": config.sender, "reply_to": config.reply_to}
    given = {
        **turn.version.templates[config.template.id].headers,
        **{name: value for name, value in own.items() if value is not None},
    }
    return Send(
        channel="email",
        message={"to": to, **message.texts, **given},
        output={
            "to": to,
            "email_id": str(effect_id_of(turn.effect_key)),
            "template": message.template,
        },
        input={"template": message.template, **given},
        category=config.category,
        topic=topic_key(turn, config),
    )


resume = settle

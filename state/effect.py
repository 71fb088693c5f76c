"""What a run asks of the world, and what the world answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from state.ids import name_uuid

#: The namespace of message ids. Never change it: a message's id is its deduplication key (rule F2).
EFFECT_NAMESPACE = UUID("5e0f6d1c-7b57-5d0e-9a6f-0c7a8e4b1f11")

Channel = Literal["email", "push"]
Settlement = Literal["sent", "skipped", "failed", "unknown"]
Category = Literal["marketing", "transactional"]


#: Why effects are called back, in words for people.
RUN_ENDED = "its run ended before it was known to be sent"
NO_CONSENT = "its contact must not be written to, as it stood when the send was claimed"


def effect_key(automation_id: UUID, trigger_key: UUID, step_key: str, occurrence: int) -> str:
    """Return the key of a send: derived from its cause, the same on every attempt (rule F2)."""
    return f"{automation_id}:{trigger_key}:{occurrence}:{step_key}"


def effect_id_of(key: str) -> UUID:
    """Return the id of the message that the effect with this key produces (rule F2)."""
    return name_uuid(EFFECT_NAMESPACE, key)


class Effect(Struct, frozen=True):
    """One message to send, rendered at decide time; a row of the outbox until it is settled.

    `message` holds `{to, subject, text?, html?, from?, reply_to?}` for an e-mail and
    `{to, title, text}` for a push. `to` is the address, or the contact's id for a push. `category`
    and `topic`, a topic's key, are what consent is judged by when it is claimed (rule F4).
    """

    effect_id: UUID
    key: str
    run_id: UUID
    contact_id: int
    step_key: str
    channel: Channel
    message: Mapping[str, object]
    created_at: datetime
    category: Category = "marketing"
    topic: str | None = None


class Standing(NamedTuple):
    """How an effect's contact stands at the moment of the claim (rule F4).

    `is_subscribed` is the word on the effect's topic: the contact's own, else the topic's default,
    None if it has no topic or nobody has said anything. A push has no address to suppress.
    """

    is_deleted: bool = False
    is_suppressed: bool = False
    is_unsubscribed: bool = False
    is_subscribed: bool | None = None


class Claimed(NamedTuple):
    """An effect to try, with the number of this attempt, from 1.

    `was_unsure`: an earlier attempt may have sent it, so that running out of attempts does not
    mean that it failed (rule F3). `withdrawn`: why its run ended meanwhile; it is not to be sent.
    """

    effect: Effect
    attempts: int
    was_unsure: bool
    withdrawn: str | None = None
    standing: Standing = Standing()


class Answer(Struct, frozen=True):
    """How the world settled one effect (rule F3). `code` and `text` say why it was not sent."""

    effect_id: UUID
    run_id: UUID
    contact_id: int
    settlement: Settlement
    attempts: int
    provider_id: str | None = None
    code: str | None = None
    text: str | None = None


def withdrawal(
    effect: Effect, why: str, attempts: int, *, is_unsure: bool, text: str = RUN_ENDED
) -> Answer:
    """Return how an effect is settled that is not to be sent any more (rules F3, F4, R2).

    After an attempt of unknown outcome it may have been sent all the same, and says so.
    """
    return Answer(
        effect.effect_id,
        effect.run_id,
        effect.contact_id,
        "unknown" if is_unsure else "skipped",
        attempts,
        code=why,
        text=text,
    )

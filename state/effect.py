"""What a run asks of the world, and what the world answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID, uuid5

#: The namespace of message ids. Never change it: a message's id is its deduplication key (rule F2).
EFFECT_NAMESPACE = UUID("5e0f6d1c-7b57-5d0e-9a6f-0c7a8e4b1f11")

Channel = Literal["email", "push"]
Settlement = Literal["sent", "skipped", "failed", "unknown"]


def effect_key(automation_id: UUID, trigger_key: UUID, step_key: str, occurrence: int) -> str:
    """Return the key of a send: derived from its cause, the same on every attempt (rule F2)."""
    return f"{automation_id}:{trigger_key}:{occurrence}:{step_key}"


def effect_id_of(key: str) -> UUID:
    """Return the id of the message that the effect with this key produces (rule F2)."""
    return uuid5(EFFECT_NAMESPACE, key)


@dataclass(frozen=True, slots=True)
class Effect:
    """One message to send, rendered at decide time; a row of the outbox until it is settled.

    `message` holds `{to, subject, text?, html?, from?, reply_to?}` for an e-mail and
    `{to, title, text}` for a push. `to` is the address, or the contact's id for a push.
    """

    effect_id: UUID
    key: str
    run_id: UUID
    contact_id: int
    step_key: str
    channel: Channel
    message: Mapping[str, object]
    created_at: datetime


class Claimed(NamedTuple):
    """An effect to try, with the number of this attempt, from 1.

    `was_unsure`: an earlier attempt may have sent it, so that running out of attempts does not
    mean that it failed (rule F3). `withdrawn`: why its run ended meanwhile; it is not to be sent.
    """

    effect: Effect
    attempts: int
    was_unsure: bool
    withdrawn: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """How the world settled one effect (rule F3). `code` and `text` say why it was not sent."""

    effect_id: UUID
    run_id: UUID
    contact_id: int
    settlement: Settlement
    attempts: int
    provider_id: str | None = None
    code: str | None = None
    text: str | None = None


def withdrawal(effect: Effect, why: str, attempts: int, *, is_unsure: bool) -> Answer:
    """Return how an effect is settled whose run ended before it was sent (rules F3, R2).

    After an attempt of unknown outcome it may have been sent all the same, and says so.
    """
    return Answer(
        effect.effect_id,
        effect.run_id,
        effect.contact_id,
        "unknown" if is_unsure else "skipped",
        attempts,
        code=why,
        text="its run ended before it was known to be sent",
    )

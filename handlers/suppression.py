"""Which events say that an address must not be written to any more (rule F4)."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from handlers.world import World
from state.event import Event
from state.turn import Suppression

#: What each of these system events says of an address. They count whether they are of interest to
#: an automation or not (rule E7): an address is suppressed for all of them.
REASONS: Mapping[str, str] = {
    "email.bounced": "bounced",
    "email.complained": "complained",
    "resend:email.bounced": "bounced",
    "resend:email.complained": "complained",
    "resend:email.suppressed": "suppressed",
}

#: The types of a bounce that will not pass; others, such as a full mailbox, may.
_FINAL_BOUNCES = frozenset({"permanent", "hard"})

#: Here a bounce is final unless its type says otherwise.
_FINAL_BY_NAME = "resend:email.bounced"


def note_suppression(world: World, event: Event, contact_id: int | None) -> None:
    """Suppress the address that an event says is dead or unwilling; others say nothing.

    The message that it names tells the address, else its own e-mail identifier does.
    """
    reason = REASONS.get(event.name)
    if reason is None or (reason == "bounced" and not _is_final_bounce(event)):
        return
    own = (one.value for one in event.identifiers if one.kind == "email")
    suppression = Suppression(
        message_id=_message_named_in(event),
        address=next(own, None),
        contact_id=contact_id,
        reason=reason,
        source=str(event.coordinates),
    )
    if suppression.message_id is not None or suppression.address is not None:
        world.changes.suppressions.append(suppression)
        world.changes.tally["suppressions"] += 1


def _is_final_bounce(event: Event) -> bool:
    """Read `bounce.type`, else `type`, in any letter case."""
    bounce = event.payload.get("bounce")
    within = bounce.get("type") if isinstance(bounce, Mapping) else None
    stated = within if within is not None else event.payload.get("type")
    if stated is None:
        return event.name == _FINAL_BY_NAME
    return str(stated).lower() in _FINAL_BOUNCES


def _message_named_in(event: Event) -> UUID | None:
    named = event.payload.get("email_id")
    try:
        return UUID(named) if isinstance(named, str) else None
    except ValueError:
        return None

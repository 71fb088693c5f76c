"""Whether a message may go out, judged at the last moment: when its send is claimed (rule F4)."""

from __future__ import annotations

from state.effect import Effect, Standing


def refusal(effect: Effect, standing: Standing) -> str | None:
    """Return why this message must not be sent as its contact stands now, None if it may be.

    A transactional message asks for no consent; but nobody writes to an address that is suppressed,
    or to a person who was deleted.
    """
    if standing.is_deleted:
        return "contact_deleted"
    if standing.is_suppressed:
        return "suppressed"
    if effect.category == "transactional":
        return None
    if standing.is_unsubscribed:
        return "unsubscribed"
    if standing.is_subscribed is False:
        return "topic_unsubscribed"
    return None

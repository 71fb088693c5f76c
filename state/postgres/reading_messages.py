"""Messages by the ids that steps tell of them."""

from __future__ import annotations

from uuid import UUID

from state.postgres.session import Session

#: On its way first: one that is settled between the two questions is found by the second.
RUN_ON_ITS_WAY = "select run_id from outbox where effect_id = $1"

RUN_SETTLED = "select run_id from messages where message_id = $1"


async def run_of_message(session: Session, message_id: UUID) -> UUID | None:
    """Return the run that a message is of, None where there is no such message."""
    found: UUID | None = await session.value(RUN_ON_ITS_WAY, message_id)
    return found or await session.value(RUN_SETTLED, message_id)

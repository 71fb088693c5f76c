"""What the relay makes of what it claimed, with a store and a sender of a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from state.effect import Answer, Claimed, Effect
from stream.clock import SystemClock
from stream.relay import Relay, RelayLimits
from stream.senders.sender import Accepted, Outcome
from stream.telemetry import Counters
from tests.stored import AT, effect


class Outbox:
    def __init__(self, *claimed: Claimed) -> None:
        self.claimed = list(claimed)

    async def claim_effects(self, limit: int, lease: timedelta) -> list[Claimed]:
        taken, self.claimed = self.claimed[:limit], self.claimed[limit:]
        return taken

    async def postpone_effect(
        self, effect_id: UUID, due_in: timedelta, error: Mapping[str, object]
    ) -> None:
        raise AssertionError(f"{effect_id} is not to be tried again")


class Door:
    def __init__(self) -> None:
        self.answers: list[Answer] = []

    async def apply_answers(self, answers: Sequence[Answer]) -> None:
        self.answers += answers


class Mailbox:
    honours_keys = True

    def __init__(self) -> None:
        self.sent: list[UUID] = []

    async def send(self, effect: Effect) -> Outcome:
        self.sent.append(effect.effect_id)
        return Accepted("p-1")


@pytest.mark.parametrize(("was_unsure", "settlement"), [(True, "unknown"), (False, "skipped")])
async def test_what_was_withdrawn_is_settled_and_never_sent(was_unsure, settlement):
    """F4, F3: unknown if an earlier attempt may have sent it, else skipped, with the reason."""
    going, withdrawn = effect(1, 1, AT), effect(2, 1, AT)
    outbox = Outbox(
        Claimed(going, 1, was_unsure=False),
        Claimed(withdrawn, 2, was_unsure, withdrawn="cancelled_operator"),
    )
    door, mailbox = Door(), Mailbox()
    relay = Relay(outbox, door, mailbox, SystemClock(), Counters(), RelayLimits())
    assert await relay.sweep() == 2
    assert mailbox.sent == [going.effect_id]
    sent, called_back = door.answers
    assert sent.settlement == "sent"
    assert (called_back.settlement, called_back.code, called_back.attempts) == (
        settlement,
        "cancelled_operator",
        1,
    )

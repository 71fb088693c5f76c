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
    def __init__(self, *, honours_keys: bool = True) -> None:
        self.honours_keys = honours_keys
        self.sent: list[UUID] = []

    async def send(self, effect: Effect) -> Outcome:
        self.sent.append(effect.effect_id)
        return Accepted("p-1")

    async def close(self) -> None: ...


def relay_of(outbox: Outbox, door: Door, mailbox: Mailbox) -> Relay:
    return Relay(outbox, door, {"email": mailbox}, SystemClock(), Counters(), RelayLimits())


@pytest.mark.parametrize(("was_unsure", "settlement"), [(True, "unknown"), (False, "skipped")])
async def test_what_was_withdrawn_is_settled_and_never_sent(was_unsure, settlement):
    """F4, F3: unknown if an earlier attempt may have sent it, else skipped, with the reason."""
    going, withdrawn = effect(1, 1, AT), effect(2, 1, AT)
    outbox = Outbox(
        Claimed(going, 1, was_unsure=False),
        Claimed(withdrawn, 2, was_unsure, withdrawn="cancelled_operator"),
    )
    door, mailbox = Door(), Mailbox()
    relay = relay_of(outbox, door, mailbox)
    assert await relay.sweep() == 2
    assert mailbox.sent == [going.effect_id]
    sent, called_back = door.answers
    assert sent.settlement == "sent"
    assert (called_back.settlement, called_back.code, called_back.attempts) == (
        settlement,
        "cancelled_operator",
        1,
    )


async def test_what_may_have_been_sent_goes_out_again_by_its_key_or_not_at_all():
    """F3: where the provider knows no keys, an attempt that nobody saw end is the last."""
    lost = Claimed(effect(1, 1, AT), 2, was_unsure=True)
    knowing, unknowing = Mailbox(), Mailbox(honours_keys=False)
    door = Door()
    for mailbox in (knowing, unknowing):
        assert await relay_of(Outbox(lost), door, mailbox).sweep() == 1
    assert (knowing.sent, unknowing.sent) == ([lost.effect.effect_id], [])
    assert [(one.settlement, one.code, one.attempts) for one in door.answers] == [
        ("sent", None, 2),
        ("unknown", "answer_lost", 1),
    ]


async def test_a_relay_that_stops_settles_what_is_under_way_and_claims_no_more():
    """F3: a drained worker leaves no send behind of which nobody knows how it ended."""
    first, second = (Claimed(effect(number, 1, AT), 1, was_unsure=False) for number in (1, 2))
    outbox, door, mailbox = Outbox(first), Door(), Mailbox()
    relay = relay_of(outbox, door, mailbox)
    send = mailbox.send

    async def stopped_meanwhile(sent: Effect) -> Outcome:
        relay.stop()
        outbox.claimed.append(second)
        return await send(sent)

    mailbox.send = stopped_meanwhile
    await relay.run()
    assert [one.effect_id for one in door.answers] == [first.effect.effect_id]
    assert outbox.claimed == [second]

"""Keys are proved, scopes hold, and each key has a bucket of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from handlers.http.bucket import Buckets
from handlers.http.fault import Fault
from handlers.http.gatekeeper import (
    BELIEVED_SECONDS,
    Gatekeeper,
    require,
    require_allowance,
)
from state.api_key import ApiKey, Scope, Token, parse_token, secret_hash

NOW = datetime(2026, 11, 28, tzinfo=UTC)
TOKEN = Token("0123456789ab", "f" * 64)


class Clock:
    seconds = 0.0

    def utc_now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Keys:
    """What is stored, and how often it was asked for."""

    def __init__(self, **changes: object) -> None:
        given = {"expires_at": None, "scope": "full"} | changes
        key = ApiKey(
            TOKEN.key_id, secret_hash(TOKEN.secret), "k", created_at=NOW, created_by="x", **given
        )
        self.stored = {TOKEN.key_id: key}
        self.asked = 0

    async def find(self, key_id: str) -> ApiKey | None:
        self.asked += 1
        return self.stored.get(key_id)


def gate(keys: Keys, clock: Clock) -> Gatekeeper:
    return Gatekeeper(keys.find, Buckets(10, 10), clock)


async def fault(gatekeeper: Gatekeeper, sent: str | None) -> str:
    with pytest.raises(Fault) as raised:
        await gatekeeper.prove(sent)
    return raised.value.kind


async def test_a_key_proves_itself_under_any_prefix() -> None:
    gatekeeper = gate(Keys(), Clock())
    for prefix in ("re", "sk", "rk_live"):
        assert (await gatekeeper.prove(TOKEN.text(prefix))).key_id == TOKEN.key_id


async def test_what_is_no_good_key_is_refused_in_one_way() -> None:
    keys = Keys()
    gatekeeper = gate(keys, Clock())
    assert await fault(gatekeeper, None) == "key_missing"
    wrong = [
        "re_123",
        TOKEN._replace(secret="0" * 64).text(),
        TOKEN._replace(key_id="0" * 12).text(),
        TOKEN.text() + "0",
    ]
    assert {await fault(gatekeeper, sent) for sent in wrong} == {"key_invalid"}
    expired = gate(Keys(expires_at=NOW), Clock())
    assert await fault(expired, TOKEN.text()) == "key_invalid"
    revoked = gate(Keys(revoked_at=NOW), Clock())
    assert await fault(revoked, TOKEN.text()) == "key_invalid"


async def test_a_key_is_believed_for_seconds_and_then_looked_up_again() -> None:
    keys, clock = Keys(), Clock()
    gatekeeper = gate(keys, clock)
    for _ in range(5):
        await gatekeeper.prove(TOKEN.text())
    assert keys.asked == 1
    keys.stored.clear()
    clock.seconds = BELIEVED_SECONDS
    assert await fault(gatekeeper, TOKEN.text()) == "key_invalid"


async def test_uses_are_told_once_for_many_requests() -> None:
    gatekeeper = gate(Keys(), Clock())
    for _ in range(5):
        await gatekeeper.prove(TOKEN.text())
    assert gatekeeper.uses() == {TOKEN.key_id: NOW}
    assert gatekeeper.uses() == {}


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("read", {"read"}), ("send", {"send"}), ("full", {"read", "send", "full"})],
)
async def test_a_scope_reaches_no_further(scope: Scope, allowed: set[Scope]) -> None:
    key = await gate(Keys(scope=scope), Clock()).prove(TOKEN.text())
    scopes: tuple[Scope, ...] = ("read", "send", "full")
    for wanted in scopes:
        if wanted in allowed:
            require(key, wanted)
        else:
            with pytest.raises(Fault, match=f"needs `{wanted}`"):
                require(key, wanted)


def test_a_bucket_grants_its_burst_then_its_rate_and_says_when_to_come_again() -> None:
    buckets = Buckets(rate=2, burst=4)
    granted = [buckets.take("a", 0) for _ in range(4)]
    assert [one.remaining for one in granted] == [3, 2, 1, 0]
    assert (granted[0].limit, granted[0].window_seconds) == (4, 2)
    refused = buckets.take("a", 0)
    assert (refused.is_granted, refused.retry_seconds, refused.reset_seconds) == (False, 1, 2)
    with pytest.raises(Fault) as raised:
        require_allowance(refused)
    assert raised.value.headers == {"retry-after": "1"}
    assert buckets.take("b", 0).is_granted
    assert buckets.take("a", 0.5).is_granted
    assert not buckets.take("a", 0.5).is_granted
    assert buckets.take("a", 1000).remaining == 3


def test_a_token_is_read_back_as_it_was_written() -> None:
    assert parse_token(TOKEN.text("rk_sandbox")) == TOKEN
    assert parse_token("re_" + "g" * 12 + "_" + "0" * 64) is None

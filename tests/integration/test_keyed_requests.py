"""Requests with an idempotency key, in the tables."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from state.postgres import keyed_requests
from state.postgres.keyed_requests import (
    HELD,
    KEPT,
    Answer,
    AskedOtherwise,
    Claim,
    StillAnswered,
    claim_request,
    give_up,
    keep_answer,
)
from state.postgres.store import PostgresStore
from tests.integration.definitions import do
from tests.integration.test_plans import NO_ANALYZE, ONE_ID, complaints_of_all, prepare
from tests.stored import connected, rows

SCOPE, BODY, OTHER = b"s" * 32, b"b" * 32, b"o" * 32
FIRST, SECOND = UUID(int=1), UUID(int=2)
ANSWER = Answer(201, {"content-type": "application/json"}, b'{"data":1}')

AGE = """
update keyed_requests set begun_at = begun_at - $1::interval, held_until = held_until - $1::interval
"""


async def claim(store: PostgresStore, body: bytes = BODY, fresh: UUID = FIRST) -> Claim | Answer:
    return await do(store, claim_request, SCOPE, body, fresh)


async def answered(store: PostgresStore) -> Claim:
    taken = await claim(store)
    assert isinstance(taken, Claim)
    await do(store, keep_answer, taken, ANSWER)
    return taken


async def test_what_was_answered_is_answered_again(store: PostgresStore) -> None:
    taken = await answered(store)
    assert taken == Claim(SCOPE, FIRST)
    assert await claim(store, fresh=SECOND) == ANSWER
    await do(store, give_up, taken)
    await do(store, keep_answer, taken, ANSWER._replace(status=202))
    assert await claim(store, fresh=SECOND) == ANSWER
    other = await do(store, claim_request, b"t" * 32, OTHER, SECOND)
    assert other == Claim(b"t" * 32, SECOND)


async def test_another_body_is_refused_whether_the_first_is_answered_or_not(
    store: PostgresStore,
) -> None:
    await claim(store)
    with pytest.raises(AskedOtherwise):
        await claim(store, OTHER)
    with pytest.raises(StillAnswered):
        await claim(store)


async def test_of_many_at_once_one_answers(store: PostgresStore) -> None:
    """C1: the row is the lock, whichever process asks."""

    async def attempt(number: int) -> Claim | Answer | None:
        try:
            return await claim(store, fresh=UUID(int=number))
        except StillAnswered:
            return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt(number)) for number in range(1, 9)]
    assert len([task for task in tasks if task.result() is not None]) == 1


async def test_what_was_given_up_is_asked_anew_as_the_same_or_as_another(
    store: PostgresStore,
) -> None:
    taken = await claim(store)
    assert isinstance(taken, Claim)
    await do(store, give_up, taken)
    assert await claim(store, fresh=SECOND) == taken
    await do(store, give_up, taken)
    assert await claim(store, OTHER, SECOND) == Claim(SCOPE, SECOND)
    # Whoever was late with the first one changes nothing of the second.
    await do(store, keep_answer, taken, ANSWER)
    with pytest.raises(StillAnswered):
        await claim(store, OTHER)


async def test_whoever_died_over_a_request_holds_it_for_a_while_only(
    store: PostgresStore, connection: asyncpg.Connection
) -> None:
    await claim(store)
    await connection.execute(AGE, HELD - timedelta(seconds=30))
    with pytest.raises(StillAnswered):
        await claim(store)
    await connection.execute(AGE, timedelta(seconds=30))
    assert await claim(store, fresh=SECOND) == Claim(SCOPE, FIRST)


@pytest.mark.parametrize("body", [BODY, OTHER])
async def test_a_key_is_forgotten_after_a_day(
    store: PostgresStore, connection: asyncpg.Connection, body: bytes
) -> None:
    """Counted from its first use; then it is another occasion."""
    await answered(store)
    await connection.execute(AGE, KEPT - timedelta(minutes=1))
    assert await claim(store) == ANSWER
    await connection.execute(AGE, timedelta(minutes=1))
    assert await claim(store, body, SECOND) == Claim(SCOPE, SECOND)


async def test_housekeeping_sweeps_what_is_forgotten(
    store: PostgresStore, database: str, connection: asyncpg.Connection
) -> None:
    """O5: with everything else that has had its time."""
    await answered(store)
    await connection.execute(AGE, KEPT)
    await do(store, claim_request, b"t" * 32, BODY, SECOND)
    await store.keep_house(await store.database_now())
    assert await rows(database, "select scope from keyed_requests") == [(b"t" * 32,)]


FILL = """
insert into keyed_requests (scope, body, occasion, begun_at, status, headers, answer)
select sha256(n::text::bytea), sha256(''), gen_random_uuid(), now() - n * interval '1 second', 200,
  '{}', '' from generate_series(1, 20000) as n
"""
ONE = "sha256('7')"
STATEMENTS = {
    "find": (keyed_requests.FIND, ONE, "keyed_requests_pkey"),
    "answer": (keyed_requests.ANSWER, f"{ONE}, {ONE_ID}, 1, '{{}}', ''", "keyed_requests_pkey"),
    "give up": (keyed_requests.GIVE_UP, f"{ONE}, {ONE_ID}", "keyed_requests_pkey"),
    "forget": (keyed_requests.FORGET, "'2026-01-01', 100", "keyed_requests_begun_at"),
}


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_requests_are_found_by_their_indexes(database: str, plans: str) -> None:
    async with connected(database) as cold:
        for (statement,) in await cold.fetch(NO_ANALYZE):
            await cold.execute(statement)
        await cold.execute(FILL)
        await cold.execute("set enable_seqscan = off")
        await prepare(cold, [sql for sql, _, _ in STATEMENTS.values()])
        await cold.execute(f"set plan_cache_mode = {plans}")
        assert await complaints_of_all(cold, STATEMENTS) == {}

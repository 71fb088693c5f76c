"""RevKeen's `Idempotency-Key` against live servers: what was answered is answered again."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.clients.served import Served, make_key, serve
from tests.clients.test_revkeen import ANN, REPORT, asked, client_of, completed, run_by_hand
from tests.unit.http import fields
from tests.unit.http.test_revkeen_requests import ERROR

BODY = {"name": "Report", "objective": "Tell me"}


def keyed(key: str, **body: Any) -> dict[str, Any]:
    return {"json": body, "headers": {"Idempotency-Key": key}}


def is_replayed(answer: httpx.Response) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


def refused_as(answer: httpx.Response, code: str, status: int = 409) -> bool:
    assert answer.status_code == status, answer.text
    assert fields.misfits(answer.json(), ERROR) == []
    return bool(answer.json()["error"]["code"] == code)


def same(first: httpx.Response, again: httpx.Response) -> bool:
    """Tell whether an answer is the first one again."""
    assert (is_replayed(first), is_replayed(again)) == (False, True)
    assert first.headers["content-type"] == again.headers["content-type"] == "application/json"
    assert first.headers["revkeen-version"] == again.headers["revkeen-version"]
    return (first.status_code, first.content) == (again.status_code, again.content)


async def test_a_key_asks_for_one_run(served: Served) -> None:
    """E4: at once and later; another body is another request."""
    (applied,) = await served.house.apply(REPORT)
    said = keyed("once", trigger_payload={"email": ANN})
    async with client_of(served) as client:
        first = await run_by_hand(client, applied.automation_id, **said)
        assert same(first, await run_by_hand(client, applied.automation_id, **said))
        await completed(client, applied.automation_id, first.json()["data"]["id"])
        assert same(first, await run_by_hand(client, applied.automation_id, **said))
        other = keyed("once", trigger_payload={"email": ANN, "month": 1})
        refused = await run_by_hand(client, applied.automation_id, 409, **other)
        listed = await asked(client, f"/automations/{applied.automation_id}/runs")
    assert refused_as(refused, "idempotency_conflict")
    assert listed["pagination"]["total"] == 1


async def test_a_key_makes_one_automation(served: Served) -> None:
    async with client_of(served) as client:
        first = await client.post("/automations", **keyed("k" * 255, **BODY))
        assert first.status_code == 201, first.text
        spaced = {"Idempotency-Key": "k" * 255}
        again = await client.post(
            "/automations", content='{ "objective":"Tell me","name":"Report" }', headers=spaced
        )
        assert same(first, again)
        refused = await client.post("/automations", **keyed("k" * 255, **BODY, description="Mine"))
        assert refused_as(refused, "idempotency_conflict")
        assert refused_as(await client.post("/automations", json=BODY), "conflict")
        listed = await asked(client, "/automations")
    assert listed["pagination"]["total"] == 1


async def test_refusals_are_answered_again_too(served: Served) -> None:
    """Though it could be done by now: who wants that asks with another key."""
    wrong = {**BODY, "risk_profile": "wild"}
    async with client_of(served) as client:
        first = await client.post("/automations", **keyed("a", **wrong))
        assert refused_as(first, "validation_error", 400)
        assert same(first, await client.post("/automations", **keyed("a", **wrong)))
        taken = await client.post("/automations", **keyed("b", **BODY, status="draft"))
        path = f"/automations/{taken.json()['data']['id']}/runs"
        for key in ("c", "d"):
            first = await client.post(path, **keyed(key))
            assert refused_as(first, "unprocessable", 422)
            assert same(first, await client.post(path, **keyed(key)))
        missing = f"/automations/approvals/{uuid4()}/approve"
        first = await client.post(missing, **keyed("e"))
        assert refused_as(first, "resource_missing", 404)
        assert same(first, await client.post(missing, **keyed("e")))


async def test_a_key_counts_for_its_owner_and_its_path_and_not_where_it_is_read(
    served: Served,
) -> None:
    (applied,) = await served.house.apply(REPORT)
    path = f"/automations/{applied.automation_id}/runs"
    async with (
        client_of(served) as client,
        client_of(served, await make_key(served.house)) as another,
    ):
        runs = [
            (await answer).json()["data"]["id"]
            for answer in (
                client.post(path, **keyed("k")),
                another.post(path, **keyed("k")),
                client.post(path, **keyed("l")),
            )
        ]
        made = await client.post("/automations", **keyed("k", **{**BODY, "name": "Other"}))
        assert made.status_code == 201
        for _ in range(2):
            answer = await client.get(path, headers={"Idempotency-Key": "k"})
            assert answer.is_success
            assert not is_replayed(answer)
    assert len(set(runs)) == 3


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_has_1_to_255_characters(served: Served, key: str) -> None:
    async with client_of(served) as client:
        assert refused_as(
            await client.post("/automations", **keyed(key, **BODY)), "validation_error", 400
        )
        assert (await asked(client, "/automations"))["data"] == []


async def test_who_may_not_ask_has_no_answer_kept(served: Served) -> None:
    reader = await make_key(served.house, "--scope", "read")
    async with client_of(served, reader) as client:
        for _ in range(2):
            answer = await client.post("/automations", **keyed("k", **BODY))
            assert refused_as(answer, "insufficient_permissions", 403)
            assert not is_replayed(answer)


async def test_a_key_holds_in_every_process_and_when_they_are_gone(served: Served) -> None:
    """C1: of many who ask at once one is answered, the others later, the same."""
    (applied,) = await served.house.apply(REPORT)
    path = f"/automations/{applied.automation_id}/runs"
    said = keyed("k", trigger_payload={"email": ANN})
    async with (
        serve(served.house) as second,
        client_of(served) as here,
        client_of(second, served.key) as there,
    ):
        asking = [client.post(path, **said) for client in (here, there) * 6]
        answers = await asyncio.gather(*asking)
        late = await there.post(path, **said)
    firsts = [one for one in answers if one.status_code == 202 and not is_replayed(one)]
    assert len(firsts) == 1
    for one in answers:
        assert one.status_code == 202 or refused_as(one, "idempotency_in_progress")
    assert same(firsts[0], late)
    assert await served.stop() == 0
    async with serve(served.house) as third, client_of(third, served.key) as client:
        assert same(firsts[0], await client.post(path, **said))
        await completed(client, applied.automation_id, late.json()["data"]["id"])
        assert (await asked(client, path))["pagination"]["total"] == 1

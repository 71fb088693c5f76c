"""Sendrealm's interface against a live server and a real worker."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.clients.served import Served, make_key
from tests.integration.drawn import automation
from tests.stored import connected
from tests.unit.http import fields
from tests.unit.http.test_sendrealm_requests import ACCEPTED, AUTOMATION, ERROR, ITEM, PUBLISHED
from tests.unit.http.test_sendrealm_runs import RUN_DETAIL, RUN_ITEM
from tests.waiting import until_so

ANN = "ann@example.com"


async def asked(client: httpx.AsyncClient, path: str, status: int = 200, **options: Any) -> Any:
    answer = await client.get(f"/sendrealm{path}", **options)
    assert answer.status_code == status, answer.text
    return answer.json()


async def send(client: httpx.AsyncClient, status: int = 202, **event: Any) -> Any:
    answer = await client.post("/sendrealm/events", json=event)
    assert answer.status_code == status, answer.text
    return answer.json()


async def run_in_status(client: httpx.AsyncClient, automation_id: str, status: str) -> Any:
    """Return the newest run of an automation as soon as it has this status."""

    async def known() -> Any:
        listed = await asked(client, f"/automations/{automation_id}/runs")
        for item in listed["data"][:1]:
            found = (await asked(client, f"/automation-runs/{item['id']}"))["data"]
            return found if found["status"] == status else None
        return None

    return await until_so(known)


async def test_a_run_is_started_watched_and_resumed(served: Served) -> None:
    """R4, W8: the record of a real run, as Sendrealm's clients read it."""
    (applied,) = await served.house.apply(automation())
    async with served.client() as client:
        payload = {"order_id": "o-1"}
        sent = await send(client, event="order.completed", email=ANN, payload=payload)
        assert fields.misfits(sent["data"], ACCEPTED) == []
        waiting = await run_in_status(client, str(applied.automation_id), "waiting")
        assert waiting["trigger_event"]["id"] == sent["data"]["id"]
        assert waiting["waits"][0]["status"] == "waiting"
        await send(client, event="email.opened", email=ANN)
        run = await run_in_status(client, str(applied.automation_id), "completed")
        listed = await asked(client, f"/automations/{applied.automation_id}/runs?status=completed")
    assert fields.misfits(run, RUN_DETAIL) == []
    receipt, opened, thanks = run["steps"]
    assert [one["status"] for one in receipt["linked_emails"]] == ["sent"]
    assert opened["branch_taken"] == "received"
    assert [one["status"] for one in thanks["linked_push_notifications"]] == ["sent"]
    assert run["waits"][0]["resumed_by_event"]["event_name"] == "email.opened"
    (item,) = listed["data"]
    assert fields.misfits(item, RUN_ITEM) == []
    assert listed["next_cursor"] is None


async def test_an_idempotency_key_counts_once_and_says_so(served: Served, database: str) -> None:
    """E4: the key is the event's id."""
    (applied,) = await served.house.apply(automation())
    event = {"event": "order.completed", "email": ANN, "idempotency_key": "order-1"}
    async with served.client() as client:
        first = await send(client, **event)
        # At once, before a worker can have stored it; whatever else is said with the key.
        at_once = await send(client, 200, **{**event, "payload": {"other": 1}})
        await run_in_status(client, str(applied.automation_id), "waiting")
        again = await send(client, 200, **event)
        # And when the answer is forgotten, by the event itself.
        async with connected(database) as connection:
            await connection.execute("delete from keyed_requests")
        later = await send(client, 200, **event)
        assert await send(client, 200, **event) == later
        unused = {"event": "nobody.listens", "email": ANN, "idempotency_key": "unused"}
        await send(client, **unused)
        assert (await send(client, 200, **unused))["data"]["deduplicated"] is True
        listed = await asked(client, f"/automations/{applied.automation_id}/runs")
    assert fields.misfits(again["data"], ACCEPTED) == []
    assert at_once == again
    assert again["data"].items() <= {**first["data"], "deduplicated": True}.items()
    assert later["data"].items() >= {"id": "order-1", "deduplicated": True}.items()
    assert (first["data"]["id"], again["data"]["id"]) == ("order-1", "order-1")
    assert len(listed["data"]) == 1


async def test_runs_are_paged_by_cursor_and_narrowed_by_status(served: Served) -> None:
    (applied,) = await served.house.apply(automation())
    path = f"/automations/{applied.automation_id}/runs"
    async with served.client() as client:
        for number in range(3):
            await send(client, event="order.completed", email=f"p{number}@example.com")

        async def all_there() -> bool:
            return len((await asked(client, path))["data"]) == 3

        await until_so(all_there)
        everything = [one["id"] for one in (await asked(client, path))["data"]]
        first = await asked(client, f"{path}?limit=2&status=waiting,running")
        second = await asked(client, f"{path}?limit=2&cursor={first['next_cursor']}")
        assert (await asked(client, f"{path}?status=failed"))["data"] == []
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert [one["id"] for one in first["data"] + second["data"]] == everything


async def test_automations_are_listed_searched_and_read(served: Served) -> None:
    (applied,) = await served.house.apply(automation())
    async with served.client() as client:
        listed = await asked(client, "/automations?status=active&search=RECEIPT")
        assert (await asked(client, "/automations?status=draft"))["data"] == []
        assert (await asked(client, "/automations?search=nothing"))["data"] == []
        found = (await asked(client, f"/automations/{applied.automation_id}"))["data"]
    (item,) = listed["data"]
    assert fields.misfits(item, ITEM) == []
    assert fields.misfits(found, AUTOMATION) == []
    assert found["definition"]["trigger"]["event_name"] == "order.completed"
    assert found["definition"]["connections"][0]["from"] == "trigger"


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"email": ANN}, "event"),
        ({"event": "go"}, "contact_id"),
        ({"event": "sendrealm.mail.open", "email": ANN}, "event"),
        ({"event": "go", "contact_id": "ann"}, "contact_id"),
        ({"event": "go", "email": ANN, "payload": []}, "payload"),
        ({"event": "go", "email": "ann"}, "email"),
        ({"event": "go", "email": ANN, "occurred_at": "today"}, "occurred_at"),
    ],
)
async def test_what_is_no_event_is_refused_by_its_field(served: Served, event, field) -> None:
    async with served.client() as client:
        refused = await send(client, 422, **event)
    assert fields.misfits(refused, ERROR) == []
    assert refused["error"]["details"]["field"] == field
    assert field in refused["error"]["details"]["fields"]


async def test_the_schema_of_an_event_binds_it_whoever_sends_it(served: Served) -> None:
    """O4: what fits is made of the schema's types, what does not is not sent."""
    (applied,) = await served.house.apply(automation())
    defined = {"name": "order.completed", "schema": {"total": "number"}}
    event = {"event": "order.completed", "email": ANN}
    async with served.client() as client:
        assert (await client.post("/events", json=defined)).status_code == 201
        refused = await send(client, 422, **event, payload={"total": "much"})
        await send(client, **event, payload={"total": "30", "order_id": 7})
        run = await run_in_status(client, str(applied.automation_id), "waiting")
        listed = await asked(client, f"/automations/{applied.automation_id}/runs")
    assert fields.misfits(refused, ERROR) == []
    assert list(refused["error"]["details"]["fields"]) == ["total"]
    assert run["trigger_event"]["payload"] == {"total": 30, "order_id": 7}
    assert len(listed["data"]) == 1


async def test_an_event_is_about_whom_its_strongest_identity_names(served: Served) -> None:
    """I1: in the form that its run tells; an id that names nobody is not found."""
    (applied,) = await served.house.apply(automation())
    async with served.client() as client:
        made = (await client.post("/contacts", json={"email": ANN})).json()
        for identity, said in (
            ({"email": " Ann@Example.com"}, ("email", ANN)),
            ({"external_id": "c-1", "email": "ben@example.com"}, ("external_id", "c-1")),
            ({"contact_id": made["id"], "email": ANN}, ("contact_id", made["id"])),
        ):
            sent = (await send(client, event="order.completed", **identity))["data"]
            assert (sent["resolved_identity_type"], sent["resolved_identity_value"]) == said

            async def is_started(event_id: str = sent["id"]) -> Any:
                listed = await asked(client, f"/automations/{applied.automation_id}/runs")
                runs = {one["trigger_event"]["id"]: one for one in listed["data"]}
                return runs.get(event_id)

            run = await until_so(is_started)
            assert (run["resolved_identity_type"], run["resolved_identity_value"]) == said
        for stranger in (uuid4(), UUID(int=0)):
            refused = await send(client, 404, event="go", contact_id=str(stranger), email=ANN)
            assert fields.misfits(refused, ERROR) == []


async def test_refusals_are_said_in_its_envelope(served: Served) -> None:
    reader = await make_key(served.house, "--scope", "read")
    async with served.client() as client, served.client(reader) as restricted:
        for path in (f"/automation-runs/{uuid4()}", f"/automations/{uuid4()}/runs", "/nothing"):
            assert fields.misfits(await asked(client, path, 404), ERROR) == []
        await asked(client, "/automation-runs/run_123", 422)
        await asked(client, f"/automations/{uuid4()}/runs?status=odd", 422)
        await asked(client, "/automations", 401, headers={"authorization": "Bearer sk_no"})
        assert (await send(restricted, 403, event="go", email=ANN))["error"]["code"] == "forbidden"


# --- automations are made -------------------------------------------------------------------------

DRAWN: dict[str, Any] = {
    "trigger": {"event_name": "cart.left", "filters": {"amount_gte": 1000}},
    "steps": [
        {"key": "paid", "type": "wait_for_event", "config": {"event_name": "cart.paid"}},
        {"key": "pause", "type": "delay", "config": {"duration_seconds": 60}},
    ],
    "connections": [
        {"from": "trigger", "to": "paid", "branch": "next"},
        {"from": "paid", "to": "pause", "branch": "received"},
    ],
}


async def test_an_automation_is_created_changed_and_published(served: Served) -> None:
    """S1, S4: it starts runs from its publishing on, and is not changed while it does."""
    body = {"name": "Cart", "description": "Wins back.", "definition": DRAWN}
    steps = [{**DRAWN["steps"][0], "config": {"event_name": "cart.paid", "timeout_seconds": 60}}]
    changed = {**DRAWN, "steps": [*steps, DRAWN["steps"][1]]}
    async with served.client() as client:
        answer = await client.post("/sendrealm/automations", json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()["data"]
        assert fields.misfits(made, AUTOMATION) == []
        assert (made["status"], made["definition"]) == ("draft", DRAWN)
        path = f"/sendrealm/automations/{made['id']}"
        updated = (await client.patch(path, json={"definition": changed})).json()["data"]
        assert (updated["definition"], updated["description"]) == (changed, "Wins back.")
        published = (await client.post(f"{path}/publish")).json()["data"]
        assert fields.misfits(published, PUBLISHED) == []
        assert published["status"] == "active"
        await send(client, event="cart.left", email=ANN, payload={"amount": 5})
        await send(client, event="cart.left", email=ANN, payload={"amount": 5000})
        run = await run_in_status(client, made["id"], "waiting")
        assert run["trigger_event"]["payload"] == {"amount": 5000}
        assert len((await asked(client, f"/automations/{made['id']}/runs"))["data"]) == 1
        refused = await client.patch(path, json={"name": "Basket"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")


async def test_what_cannot_be_published_is_refused_with_all_that_is_wrong(served: Served) -> None:
    ways = [{"from": "trigger", "to": "nowhere", "branch": "next"}]
    body = {"name": "Cart", "definition": {**DRAWN, "connections": ways}}
    async with served.client() as client:
        for wrong in (body, {"name": "Cart"}, {"definition": DRAWN}):
            answer = await client.post("/sendrealm/automations", json=wrong)
            assert answer.status_code == 422, answer.text
            assert fields.misfits(answer.json(), ERROR) == []
        said = (await client.post("/sendrealm/automations", json=body)).json()["error"]["message"]
        assert 'there is no step "nowhere"' in said
        assert 'step "pause": cannot be reached' in said
        for _ in range(2):
            answer = await client.post(
                "/sendrealm/automations", json={"name": "Cart", "definition": DRAWN}
            )
        await asked(client, f"/automations/{uuid4()}", 404)
    assert answer.status_code == 409

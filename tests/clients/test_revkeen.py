"""RevKeen's interface against a live server and a real worker."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.clients.served import Served, make_key
from tests.integration.drawn import automation
from tests.kit import email, line, trigger
from tests.unit.http import fields
from tests.unit.http.test_revkeen_requests import AUTOMATION, AUTOMATION_ITEM, ERROR
from tests.unit.http.test_revkeen_runs import RUN_DETAIL, RUN_ITEM, RUN_QUEUED
from tests.waiting import until_so

ANN = "ann@example.com"
REPORT = line(email("report"), name="Report", on=trigger("waitline.manual:Report"))


def client_of(served: Served, key: str | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{served.url}/revkeen/v2", headers={"x-api-key": key or served.key}, timeout=30
    )


async def asked(client: httpx.AsyncClient, path: str, status: int = 200) -> Any:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["revkeen-version"] == "2026-05-01"
    if status >= 400:
        assert fields.misfits(answer.json(), ERROR) == []
    return answer.json()


async def run_by_hand(
    client: httpx.AsyncClient, automation_id: object, status: int = 202, **more: Any
) -> httpx.Response:
    answer = await client.post(f"/automations/{automation_id}/runs", **more)
    assert answer.status_code == status, answer.text
    return answer


async def completed(client: httpx.AsyncClient, automation_id: object, run_id: str) -> Any:
    """Return a run as soon as it is over."""
    path = f"/automations/{automation_id}/runs/{run_id}"

    async def is_over() -> Any:
        answer = await client.get(path)
        run = answer.json().get("data", {})
        return run if run.get("status") == "completed" else None

    return await until_so(is_over)


async def test_a_run_that_is_asked_for_by_hand_is_the_one_that_comes(served: Served) -> None:
    """S1, R4: its id is known before it begins."""
    (applied,) = await served.house.apply(REPORT)
    said = {"trigger_payload": {"email": ANN, "month": 11}}
    async with client_of(served) as client:
        queued = (await run_by_hand(client, applied.automation_id, json=said)).json()["data"]
        assert fields.misfits(queued, RUN_QUEUED) == []
        run = await completed(client, applied.automation_id, queued["id"])
        listed = await asked(client, f"/automations/{applied.automation_id}/runs")
    assert fields.misfits(run, RUN_DETAIL) == []
    assert (run["trigger_source"], run["trigger_payload"]) == ("manual", said["trigger_payload"])
    assert [(step["name"], step["status"]) for step in run["steps"]] == [("report", "completed")]
    assert run["steps"][0]["output_json"]["to"] == ANN
    (item,) = listed["data"]
    assert fields.misfits(item, RUN_ITEM) == []
    assert listed["pagination"] == {"limit": 25, "offset": 0, "total": 1, "hasMore": False}


@pytest.mark.parametrize("payload", [["a", 1], "text", None, {"value": 1}])
async def test_a_run_is_asked_for_with_any_json(served: Served, payload: Any) -> None:
    """E6: what is no object stands in the event's payload below a key."""
    (applied,) = await served.house.apply(REPORT)
    async with client_of(served) as client:
        said = {"trigger_payload": payload}
        queued = (await run_by_hand(client, applied.automation_id, json=said)).json()["data"]
        path = f"/automations/{applied.automation_id}/runs/{queued['id']}"

        async def is_there() -> Any:
            return (await client.get(path)).json().get("data")

        run = await until_so(is_there)
    assert run["trigger_payload"] == ({} if payload is None else payload)


async def test_an_automation_that_an_event_starts_is_not_run_by_hand(served: Served) -> None:
    """S1: the event would start others too."""
    (applied,) = await served.house.apply(automation())
    async with client_of(served) as client:
        refused = (await run_by_hand(client, applied.automation_id, 422)).json()
        await run_by_hand(client, uuid4(), 404)
    assert fields.misfits(refused, ERROR) == []
    assert "order.completed" in refused["error"]["message"]


async def test_runs_are_paged_by_offset_and_narrowed_by_status(served: Served) -> None:
    (applied,) = await served.house.apply(REPORT)
    path = f"/automations/{applied.automation_id}/runs"
    async with client_of(served) as client:
        queued = [
            (await run_by_hand(client, applied.automation_id, json=said)).json()["data"]["id"]
            for said in ({"trigger_payload": {"email": f"p{one}@example.com"}} for one in range(3))
        ]
        for run_id in queued:
            await completed(client, applied.automation_id, run_id)
        first = await asked(client, f"{path}?limit=2&status=completed")
        second = await asked(client, f"{path}?limit=2&offset=2")
        assert (await asked(client, f"{path}?status=queued"))["pagination"]["total"] == 0
        await asked(client, f"{path}?status=odd", 400)
        await asked(client, f"{path}?offset=10001", 400)
    assert (first["pagination"]["hasMore"], second["pagination"]["hasMore"]) == (True, False)
    assert {one["id"] for one in first["data"] + second["data"]} == set(queued)


async def test_automations_are_listed_and_read(served: Served) -> None:
    by_event, by_hand = await served.house.apply(automation(), REPORT)
    async with client_of(served) as client:
        listed = await asked(client, "/automations?limit=1")
        assert (await asked(client, "/automations?limit=1000"))["pagination"]["limit"] == 100
        found = (await asked(client, f"/automations/{by_event.automation_id}"))["data"]
        manual = (await asked(client, f"/automations/{by_hand.automation_id}"))["data"]
    (item,) = listed["data"]
    assert fields.misfits(item, AUTOMATION_ITEM) == []
    assert listed["pagination"] == {"limit": 1, "offset": 0, "total": 2, "hasMore": True}
    assert fields.misfits(found, AUTOMATION) == []
    assert (found["trigger_type"], manual["trigger_type"]) == ("event", "manual")


async def test_an_automation_is_created_and_run(served: Served) -> None:
    """S1: without a trigger it is run by hand."""
    plan = {
        "steps": [{"key": "pause", "type": "delay", "config": {"duration": "1 hour"}}],
        "connections": [{"from": "trigger", "to": "pause"}],
    }
    body = {"name": "Report", "objective": "Tell me", "plan": plan}
    async with client_of(served) as client:
        answer = await client.post("/automations", json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()["data"]
        assert fields.misfits(made, AUTOMATION) == []
        assert (made["objective"], made["status"], made["trigger_type"]) == (
            "Tell me",
            "active",
            "manual",
        )
        queued = (await run_by_hand(client, made["id"])).json()["data"]

        async def is_there() -> Any:
            found = await client.get(f"/automations/{made['id']}/runs/{queued['id']}")
            return found.json().get("data")

        run = await until_so(is_there)
        assert (run["version"]["objective"], run["status"]) == ("Tell me", "running")
        again = await client.post("/automations", json=body)
        refused = await client.post("/automations", json={**body, "cron_expression": "0 8 * * *"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "validation_error")


async def test_there_are_no_approvals_yet(served: Served) -> None:
    async with client_of(served) as client:
        assert (await asked(client, "/automations/approvals"))["data"] == []
        for verb in ("approve", "reject"):
            for body in ("", "{}", '{"reason": null}', '{"reason": "Too dear."}'):
                path = f"/automations/approvals/{uuid4()}/{verb}"
                answer = await client.post(path, content=body)
                assert answer.status_code == 404
                assert fields.misfits(answer.json(), ERROR) == []
                assert answer.json()["error"]["code"] == "resource_missing"
        paged = await asked(client, "/automations/approvals?status=pending&limit=5&offset=1")
    assert paged["pagination"] == {"limit": 5, "offset": 1, "total": 0, "hasMore": False}


@pytest.mark.parametrize("key", ["rk_live_no", None])
async def test_a_key_is_needed_in_its_header(served: Served, key: str | None) -> None:
    async with httpx.AsyncClient(base_url=f"{served.url}/revkeen/v2") as client:
        answer = await client.get("/automations", headers={} if key is None else {"x-api-key": key})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["revkeen-version"] == "2026-05-01"
    assert answer.json()["error"]["type"] == "authentication_error"


async def test_scopes_isolate(served: Served) -> None:
    (applied,) = await served.house.apply(REPORT)
    async with client_of(served, await make_key(served.house, "--scope", "read")) as client:
        await asked(client, "/automations")
        refused = await run_by_hand(client, applied.automation_id, 403)
    assert refused.json()["error"]["type"] == "authorization_error"


async def test_all_that_is_wrong_with_a_body_is_told_by_field(served: Served) -> None:
    async with client_of(served) as client:
        answer = await client.post("/automations", json={"risk_profile": "wild", "plan": []})
        unplanned = await client.post(
            "/automations",
            json={"name": "A", "objective": "B", "plan": {"steps": [{"type": "x"}, 7]}},
        )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "validation_error")
    assert (error["type"], error["param"]) == ("invalid_request_error", "name")
    assert set(error["details"]["fields"]) == {"name", "objective", "risk_profile", "plan"}
    assert all(len(reasons) == 1 for reasons in error["details"]["fields"].values())
    error = unplanned.json()["error"]
    assert unplanned.status_code == 400
    assert fields.misfits(unplanned.json(), ERROR) == []
    assert error["param"] in error["details"]["fields"]
    assert len(error["details"]["fields"]) > 1


async def test_every_answer_says_the_version_that_is_spoken(served: Served) -> None:
    """Whatever version is asked for: there is one."""
    async with client_of(served) as client:
        for version in ("2026-05-01", "2025-01-01", "tomorrow"):
            for method, path in (
                ("GET", "/automations"),
                ("POST", "/automations"),
                ("GET", "/automations/no"),
                ("GET", "/nothing"),
                ("PUT", "/automations"),
            ):
                said = {"RevKeen-Version": version}
                answer = await client.request(method, path, headers=said)
                assert answer.headers["revkeen-version"] == "2026-05-01"
        listed = await client.get("/automations")
    assert int(listed.headers["x-ratelimit-limit"]) > int(listed.headers["x-ratelimit-remaining"])

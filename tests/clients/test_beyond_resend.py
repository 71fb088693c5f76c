"""What Resend's interface cannot be asked for: one run cancelled, one retried, an explanation."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.clients.served import Served
from tests.integration.drawn import waiting
from tests.waiting import until_so

ANN = "ann@example.com"

#: Its only step asks for a field that no event has.
FAILING: dict[str, Any] = {
    "name": "Failing",
    "steps": [
        {"key": "start", "type": "trigger", "config": {"event_name": "fail"}},
        {
            "key": "ask",
            "type": "condition",
            "config": {"field": "event.absent", "operator": "eq", "value": 1},
        },
    ],
    "connections": [{"from": "start", "to": "ask"}],
}


async def run_of(served: Served, automation_id: UUID, status: str) -> dict[str, Any]:
    """Return the only run of an automation, once it is so."""

    async def found() -> Any:
        async with served.client() as client:
            listed = await client.get(f"/automations/{automation_id}/runs?status={status}")
        return (listed.json()["data"] or [None])[0]

    run: dict[str, Any] = await until_so(found)
    return run


async def test_one_run_is_cancelled_once(served: Served) -> None:
    """S4: nobody needs an automation of its own for each run to be able to end it."""
    (applied,) = await served.house.apply(waiting())
    async with served.client() as client:
        await client.post("/events/send", json={"event": "go", "email": ANN})
        run = await run_of(served, applied.automation_id, "running")
        path = f"/automations/{applied.automation_id}/runs/{run['id']}"
        cancelled = await client.post(f"{path}/cancel")
        assert cancelled.json() == {
            "object": "automation_run",
            "id": run["id"],
            "status": "cancelled",
        }
        shown = (await client.get(path)).json()
        assert (shown["status"], shown["ended_reason"]) == ("cancelled", "cancelled_operator")
        assert (await client.post(f"{path}/cancel")).status_code == 409
        other = f"/automations/{UUID(int=1)}/runs/{run['id']}/cancel"
        assert (await client.post(other)).status_code == 404
    (who,) = await served.house.rows("select who from audit where what = 'run.cancel'")
    assert str(who[0]).startswith("api key ")


async def test_a_failed_run_is_retried_in_a_new_one(served: Served) -> None:
    """R3: once; the failed one stays as it is."""
    (applied,) = await served.house.apply(FAILING)
    async with served.client() as client:
        await client.post("/events/send", json={"event": "fail", "email": ANN})
        run = await run_of(served, applied.automation_id, "failed")
        path = f"/automations/{applied.automation_id}/runs"
        retried = await client.post(f"{path}/{run['id']}/retry")
        assert (retried.status_code, retried.json()["retried_from"]) == (201, run["id"])
        again = (await client.get(f"{path}/{retried.json()['id']}")).json()
        assert (again["status"], again["steps"][-1]["key"]) == ("failed", "ask")
        refused = await client.post(f"{path}/{run['id']}/retry")
        assert refused.status_code == 409
        assert "not retried" in refused.json()["message"]


async def test_an_event_is_explained(served: Served) -> None:
    """O1: what `/events/send` has answered leads to what the event did."""
    (applied,) = await served.house.apply(waiting())
    async with served.client() as client:
        sent = (await client.post("/events/send", json={"event": "go", "email": ANN})).json()
        run = await run_of(served, applied.automation_id, "running")
        told = (await client.get(f"/events/explain/{sent['id']}")).json()
        assert told["verdict"] == "started"
        (judged,) = told["automations"]
        assert (judged["verdict"], judged["run_id"]) == ("started", run["id"])
        unknown = (await client.get("/events/explain/nobody")).json()
        assert unknown["verdict"] == "never_seen"

"""RevKeen's official Node client, npm's `@revkeen/sdk`, reads runs by its public request call."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.clients.node_clients import npm_revkeen
from tests.clients.served import Served, make_key
from tests.clients.test_revkeen import ANN, REPORT
from tests.integration.drawn import automation
from tests.unit.http import fields
from tests.unit.http.test_revkeen_requests import AUTOMATION, ERROR
from tests.unit.http.test_revkeen_runs import RUN_DETAIL, RUN_ITEM, RUN_QUEUED
from tests.waiting import until_so

#: Before any server: without Node, none is started for nothing.
pytestmark = pytest.mark.usefixtures("npm")

NOBODY = str(UUID(int=7))


async def test_runs_are_asked_for_listed_and_read(npm: Path, served: Served) -> None:
    """S1, R4: the run that was asked for is the one that is read."""
    _, applied = await served.house.apply(automation(), REPORT)
    path = {"id": str(applied.automation_id)}
    async with npm_revkeen(npm, served) as revkeen:
        page = await revkeen("get", "/automations", query={"limit": 1, "offset": 1})
        assert page["pagination"] == {"limit": 1, "offset": 1, "total": 2, "hasMore": False}
        known = (await revkeen("get", "/automations/{id}", path=path))["data"]
        assert fields.misfits(known, AUTOMATION) == []

        said = {"trigger_payload": {"email": ANN, "month": 11}}
        queued = (await revkeen("post", "/automations/{id}/runs", path=path, body=said))["data"]
        assert fields.misfits(queued, RUN_QUEUED) == []
        to_run = {**path, "runId": queued["id"]}

        async def is_over() -> Any:
            query = {"status": "completed"}
            listed = await revkeen("get", "/automations/{id}/runs", path=path, query=query)
            return listed["data"]

        (item,) = await until_so(is_over)
        assert fields.misfits(item, RUN_ITEM) == []
        run = (await revkeen("get", "/automations/{id}/runs/{runId}", path=to_run))["data"]
    assert fields.misfits(run, RUN_DETAIL) == []
    assert (run["id"], run["status"], run["trigger_payload"]) == (
        queued["id"],
        "completed",
        said["trigger_payload"],
    )
    assert [(step["name"], step["status"]) for step in run["steps"]] == [("report", "completed")]


async def test_an_idempotency_key_asks_for_one_run(npm: Path, served: Served) -> None:
    """E4: the client sends the header that it is given with a request."""
    (applied,) = await served.house.apply(REPORT)
    more: dict[str, Any] = {
        "path": {"id": str(applied.automation_id)},
        "headers": {"Idempotency-Key": "once"},
        "body": {"trigger_payload": {"email": ANN}},
    }
    async with npm_revkeen(npm, served) as revkeen:
        first = await revkeen("post", "/automations/{id}/runs", **more)
        await served.house.until_count("runs_done", 1)
        assert await revkeen("post", "/automations/{id}/runs", **more) == first
        more["body"] = {"trigger_payload": {"email": ANN, "month": 1}}
        refused = await revkeen.refusal("post", "/automations/{id}/runs", **more)
    assert refused["status"] == 409
    assert refused["body"]["error"]["code"] == "idempotency_conflict"


#: The scope of a key, what is asked with it, and the status, type and code of the answer.
REFUSED: list[tuple[str | None, str, str, int, str, str | None]] = [
    ("full", "get", "/automations/{id}", 404, "invalid_request_error", "resource_missing"),
    ("full", "get", "/automations/{id}/runs/{id}", 404, "invalid_request_error", None),
    ("full", "get", "/automations?limit=x", 400, "invalid_request_error", "validation_error"),
    ("read", "post", "/automations/{id}/runs", 403, "authorization_error", None),
    (None, "get", "/automations", 401, "authentication_error", None),
]


async def test_an_error_reaches_the_client_whole(npm: Path, served: Served) -> None:
    for scope, method, url, status, kind, code in REFUSED:
        key = "rk_live_no" if scope is None else await make_key(served.house, "--scope", scope)
        async with npm_revkeen(npm, served, key) as revkeen:
            refused = await revkeen.refusal(method, url, path={"id": NOBODY})
        assert (refused["status"], refused["body"]["error"]["type"]) == (status, kind)
        assert code in {None, refused["body"]["error"]["code"]}
        assert fields.misfits(refused["body"], ERROR) == []
